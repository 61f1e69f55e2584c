// Runs the tests of include/libraft.hpp, and ends with the line that scripts/test counts.

#include <gtest/gtest.h>

#include <iostream>

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    const int code = RUN_ALL_TESTS();
    const auto* all = ::testing::UnitTest::GetInstance();
    std::cout << all->successful_test_count() << " passed, " << all->failed_test_count() << " failed\n";
    return code;
}
