# cpack in the build folder makes farthing_VERSION_ARCH.deb and libfarthing-hook_VERSION_ARCH.deb.
include(GNUInstallDirs)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/debian/farthing.default DESTINATION /etc/default RENAME farthing)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/prometheus/farthing.rules.yml ${PROJECT_SOURCE_DIR}/packaging/grafana/farthing.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/farthing/monitoring)

# What Debian wants beside each package: who made it, what changed, why lintian is told to be quiet.
find_program(GZIP_PROGRAM gzip)
function(farthing_package_documents package)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMPONENT" "")
  if(arg_COMPONENT)
    set(component COMPONENT ${arg_COMPONENT})
  endif()
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/debian/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/debian/${package}.lintian-overrides
    DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME ${package} ${component})
  if(GZIP_PROGRAM)
    set(file ${PROJECT_BINARY_DIR}/packaging/${package})
    file(MAKE_DIRECTORY ${file})
    execute_process(COMMAND ${GZIP_PROGRAM} -9nc ${PROJECT_SOURCE_DIR}/packaging/debian/changelog OUTPUT_FILE ${file}/changelog.gz)
    execute_process(COMMAND ${GZIP_PROGRAM} -9nc ${PROJECT_SOURCE_DIR}/CHANGELOG.md OUTPUT_FILE ${file}/CHANGELOG.md.gz)
    install(FILES ${file}/changelog.gz ${file}/CHANGELOG.md.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} ${component})
  endif()
endfunction()
farthing_package_documents(farthing)
farthing_package_documents(libfarthing-hook COMPONENT farthing-hook)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME farthing)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Farthing maintainers <maintainers@farthing.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL Unspecified farthing-hook)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME farthing)
set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION
  "runs functions, meters every call, bills it exactly
One program and PostgreSQL: functions with AWS Lambda's interfaces,
usage over REST, account quotas that hold, and monthly bills that
anyone can recompute.")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_DEPENDS "bubblewrap, adduser")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_RECOMMENDS "postgresql-15 | postgresql, fonts-noto-core")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SUGGESTS "nodejs, python3, prometheus")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/debian/postinst"
  "${PROJECT_SOURCE_DIR}/packaging/debian/prerm" "${PROJECT_SOURCE_DIR}/packaging/debian/postrm"
  "${PROJECT_SOURCE_DIR}/packaging/debian/conffiles")
set(CPACK_DEBIAN_FARTHING-HOOK_PACKAGE_NAME libfarthing-hook)
set(CPACK_DEBIAN_FARTHING-HOOK_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_FARTHING-HOOK_DESCRIPTION
  "usage records from other runtimes into Farthing
The library, headers and pkg-config file with which a runtime
reports its invocations.")
set(CPACK_DEBIAN_FARTHING-HOOK_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/debian/triggers")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
include(CPack)
