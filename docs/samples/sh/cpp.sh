# The quick start for C++, in an empty directory. LIBRAFT is a checkout of libraft.
# --8<-- [start:install]
make -C "$LIBRAFT" install PREFIX="$PWD/raft"
# --8<-- [end:install]
cp "$LIBRAFT/examples/quickstart/quickstart.cpp" hello.cpp
# --8<-- [start:build]
export PKG_CONFIG_PATH="$PWD/raft/lib/pkgconfig"
c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs libraft) -Wl,-rpath,"$PWD/raft/lib" -o hello
./hello
# --8<-- [end:build]
# --8<-- [start:cmake]
cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.16)
project(hello CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(libraft 0.1 REQUIRED)
add_executable(hello hello.cpp)
target_link_libraries(hello PRIVATE libraft::static) # Or libraft::shared.
END
cmake -S . -B build -DCMAKE_PREFIX_PATH="$PWD/raft" >build.log
cmake --build build >>build.log
build/hello
# --8<-- [end:cmake]
