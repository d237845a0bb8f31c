# Run as a script: cmake -DOUTPUT=file.c -DFILES=a.sql;b.sql -P embed.cmake
# Writes the files as byte arrays, so that the program carries its migrations with it.
set(arrays "")
set(table "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  if(NOT name MATCHES "^[0-9][0-9][0-9][0-9]_[a-z0-9_]+$")
    message(FATAL_ERROR "${file}: a migration is named NNNN_name.sql")
  endif()
  string(SUBSTRING ${name} 0 4 number)
  string(REGEX REPLACE "^0+" "" number ${number})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  string(APPEND arrays "static const unsigned char m${name}[] = {\n${bytes}0};\n\n")
  string(APPEND table "    {${number}, \"${name}\", m${name}, sizeof m${name} - 1},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made by cmake/embed.cmake from schema/migrations. */
#include \"schema/migrate_internal.h\"

${arrays}const struct migrate_file MIGRATE_FILES[] = {
${table}};
const size_t MIGRATE_FILES_COUNT = sizeof MIGRATE_FILES / sizeof MIGRATE_FILES[0];
")
