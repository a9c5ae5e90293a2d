# SPDX-License-Identifier: Apache-2.0
# khtrace_folder(NAME <name> DEPS <our folders…> LIBS <outside libraries…>
#                [TEST_LIBS <for tests alone…>] [TEST_SHARDS <n>])
#
# Makes of the calling folder, by file name:
#   *.cc                -> static library khtrace_<name> (main.cc left out)
#   *_test.cc           -> test program   <name>_test   (run by ctest)
#   *_bench.cc          -> <stem>_bench   (Google Benchmark)
#   *_fuzz.cc           -> <stem>_fuzz    (libFuzzer; elsewhere a program that
#                          replays tests/data/fuzz/<stem>/ as a normal test)
# With TEST_SHARDS, ctest runs the test program in n parts, <name>_test_1 on.
# DEPS is the folder's line of the layer table in tools/check_layers.py.

add_library(khtrace_flags INTERFACE)
target_compile_options(khtrace_flags INTERFACE
  -Wall -Wextra -Wshadow -Werror -fno-omit-frame-pointer)
target_include_directories(khtrace_flags INTERFACE ${CMAKE_SOURCE_DIR}/src
                           ${CMAKE_SOURCE_DIR}/include)
if(KHTRACE_SANITIZE)
  target_compile_options(khtrace_flags INTERFACE
    -fsanitize=${KHTRACE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(khtrace_flags INTERFACE -fsanitize=${KHTRACE_SANITIZE})
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(khtrace_flags INTERFACE -Wthread-safety)
endif()
if(KHTRACE_FUZZ)
  target_compile_options(khtrace_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(khtrace_folder)
  cmake_parse_arguments(ARG "" "NAME;TEST_SHARDS" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  set(lib khtrace_${ARG_NAME})
  file(GLOB all CONFIGURE_DEPENDS *.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_(test|bench|fuzz)|/main)\\.cc$")
  list(TRANSFORM ARG_DEPS PREPEND khtrace_)
  if(sources)
    add_library(${lib} STATIC ${sources})
    target_link_libraries(${lib} PUBLIC khtrace_flags ${ARG_DEPS} ${ARG_LIBS})
  else()
    add_library(${lib} INTERFACE)
    target_link_libraries(${lib} INTERFACE khtrace_flags ${ARG_DEPS} ${ARG_LIBS})
  endif()

  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(KHTRACE_TESTS AND tests)
    add_executable(${ARG_NAME}_test ${tests})
    target_link_libraries(${ARG_NAME}_test PRIVATE ${lib} ${ARG_TEST_LIBS}
                          GTest::gtest GTest::gmock GTest::gtest_main)
    # Tests are not hot: optimising them costs a third of a clean build.
    target_compile_options(${ARG_NAME}_test PRIVATE
      $<IF:$<CONFIG:Release>,-O1,-O0>)
    if(ARG_TEST_SHARDS)
      foreach(shard RANGE 1 ${ARG_TEST_SHARDS})
        add_test(NAME ${ARG_NAME}_test_${shard} COMMAND ${ARG_NAME}_test)
        math(EXPR index "${shard} - 1")
        set_tests_properties(${ARG_NAME}_test_${shard} PROPERTIES ENVIRONMENT
          "GTEST_TOTAL_SHARDS=${ARG_TEST_SHARDS};GTEST_SHARD_INDEX=${index}")
      endforeach()
    else()
      add_test(NAME ${ARG_NAME}_test COMMAND ${ARG_NAME}_test)
    endif()
  endif()

  set(benches ${all})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  if(KHTRACE_BENCH)
    foreach(source ${benches})
      get_filename_component(stem ${source} NAME_WE)
      add_executable(${stem} ${source})
      target_link_libraries(${stem} PRIVATE ${lib} ${ARG_TEST_LIBS}
                            benchmark::benchmark_main)
    endforeach()
  endif()

  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  foreach(source ${fuzzers})
    get_filename_component(stem ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" corpus ${stem})
    if(KHTRACE_FUZZ)
      add_executable(${stem} ${source})
      target_link_libraries(${stem} PRIVATE ${lib} ${ARG_TEST_LIBS})
      target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    elseif(KHTRACE_TESTS)
      add_executable(${stem} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz_replay_main.cc)
      target_link_libraries(${stem} PRIVATE ${lib} ${ARG_TEST_LIBS})
      add_test(NAME ${stem}_corpus COMMAND ${stem}
               ${CMAKE_SOURCE_DIR}/tests/data/fuzz/${corpus})
    endif()
  endforeach()
endfunction()
