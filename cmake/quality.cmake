# cmake --build build/dev --target format-check | format | tidy | lint
file(GLOB_RECURSE farthing_c_files CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/common/*.[ch] ${PROJECT_SOURCE_DIR}/schema/*.[ch] ${PROJECT_SOURCE_DIR}/metering/*.[ch]
  ${PROJECT_SOURCE_DIR}/engine/*.[ch] ${PROJECT_SOURCE_DIR}/billing/*.[ch] ${PROJECT_SOURCE_DIR}/reports/*.[ch]
  ${PROJECT_SOURCE_DIR}/api/*.[ch] ${PROJECT_SOURCE_DIR}/cli/*.[ch] ${PROJECT_SOURCE_DIR}/tests/*.[ch]
  ${PROJECT_SOURCE_DIR}/bench/*.[ch])
list(FILTER farthing_c_files EXCLUDE REGEX "/node_modules/")

find_program(CLANG_FORMAT NAMES clang-format)
if(CLANG_FORMAT)
  add_custom_target(format-check COMMAND ${CLANG_FORMAT} --dry-run --Werror ${farthing_c_files}
    COMMENT "clang-format, looking only" VERBATIM)
  add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${farthing_c_files} COMMENT "clang-format" VERBATIM)
endif()

# One file a process, as many processes as there are processors; what is checked stands in .clang-tidy.
find_program(CLANG_TIDY NAMES clang-tidy)
if(CLANG_TIDY)
  include(ProcessorCount)
  ProcessorCount(processors)
  set(tidy_list ${PROJECT_BINARY_DIR}/tidy.txt)
  set(tidy_files ${farthing_c_files})
  list(FILTER tidy_files INCLUDE REGEX "\\.c$")
  list(FILTER tidy_files EXCLUDE REGEX "/tests/")
  list(JOIN tidy_files "\n" tidy_text)
  file(WRITE ${tidy_list} "${tidy_text}\n")
  add_custom_target(tidy
    COMMAND xargs -a ${tidy_list} -P ${processors} -n 1 ${CLANG_TIDY} --quiet -p ${PROJECT_BINARY_DIR}
      --extra-arg=-Wno-unknown-warning-option
    COMMENT "clang-tidy" VERBATIM)
endif()

add_custom_target(lint COMMAND ${CMAKE_COMMAND} -E env FARTHING_SOURCE=${PROJECT_SOURCE_DIR} bash
  ${PROJECT_SOURCE_DIR}/tests/lint/test_style.sh COMMENT "house rules" VERBATIM)
