# Compiler flags of every target of this project (house style, section 12 of CONTRIBUTING.md).
add_library(farthing_flags INTERFACE)
target_include_directories(farthing_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_definitions(farthing_flags INTERFACE _GNU_SOURCE FARTHING_VERSION="${PROJECT_VERSION}")
target_compile_options(farthing_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wwrite-strings -Wpointer-arith -Wvla
  -Wstrict-prototypes -Wmissing-prototypes -Wredundant-decls -Wswitch-enum -Wformat=2 -Wundef
  -fstack-protector-strong -fno-omit-frame-pointer -fno-strict-aliasing)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(farthing_flags INTERFACE -Wduplicated-cond -Wduplicated-branches -Wlogical-op
    -Wformat-signedness -Wjump-misses-init)
  if(NOT SANITIZE)
    target_compile_options(farthing_flags INTERFACE -Wnull-dereference)
  endif()
endif()
if(FARTHING_WERROR)
  target_compile_options(farthing_flags INTERFACE -Werror)
endif()
if(SANITIZE)
  target_compile_options(farthing_flags INTERFACE -fsanitize=${SANITIZE} -fno-sanitize-recover=all)
  target_link_options(farthing_flags INTERFACE -fsanitize=${SANITIZE})
endif()
if(FARTHING_COVERAGE)
  target_compile_options(farthing_flags INTERFACE --coverage -O0)
  target_link_options(farthing_flags INTERFACE --coverage)
endif()
# __int128 is used for money; ISO C has no such type and -Wpedantic says so for every use.
target_compile_options(farthing_flags INTERFACE $<$<C_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>)
