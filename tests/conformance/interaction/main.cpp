// Plays one script on a cluster of libraft nodes, and prints it with what the nodes do in place of
// what the script expects. Whoever calls this compares the two.

#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "commands.hpp"
#include "script.hpp"

int main(int argc, char** argv) {
    const std::string option = argc > 1 ? argv[1] : "";
    const bool no_cache = option == "--no-cache";
    if (argc != (no_cache ? 3 : 2)) {
        std::cerr << "usage: interaction [--no-cache] SCRIPT\n";
        return 2;
    }
    const std::string path = argv[argc - 1];
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file) {
        std::cerr << path << ": can't be read\n";
        return 2;
    }
    try {
        conformance::Interaction interaction(no_cache ? 0 : RAFT_NO_LIMIT);
        std::cout << conformance::replay(content.str(), [&](const auto& block) { return interaction.play(block); });
    } catch (const conformance::ScriptError& error) {
        std::cerr << path << ':' << error.line() << ": " << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << path << ": " << error.what() << '\n';
        return 2;
    }
    return 0;
}
