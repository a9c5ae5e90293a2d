# SPDX-License-Identifier: Apache-2.0
# Every outside library, found once, as a target that the folders link.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
# It asks for -pthread, which simdjson's header takes for a switch: a parser must
# have one layout in the whole program.
set_property(TARGET PkgConfig::re2 PROPERTY INTERFACE_COMPILE_OPTIONS "")
pkg_check_modules(yaml_cpp REQUIRED IMPORTED_TARGET yaml-cpp)
# Not by pkg_check_modules: it asks for the static libraries as well, which
# takes pkg-config a minute.
execute_process(COMMAND ${PKG_CONFIG_EXECUTABLE} --libs grpc++
                OUTPUT_VARIABLE grpcpp_libs OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(grpcpp_libs)
add_library(grpc::grpcpp INTERFACE IMPORTED)
target_link_libraries(grpc::grpcpp INTERFACE ${grpcpp_libs})
pkg_check_modules(spdlog REQUIRED IMPORTED_TARGET spdlog)
find_library(KHTRACE_SIMDJSON simdjson REQUIRED)
if(KHTRACE_TESTS)
  find_package(GTest REQUIRED)
endif()
if(KHTRACE_BENCH)
  find_package(benchmark REQUIRED)
endif()
