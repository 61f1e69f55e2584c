// The format of the scripts: blocks of a command, an input, `----`, and the expected output. What
// the commands mean is not known here.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace conformance {

/// The script is not what the format or its commands ask for. The line is counted from 1.
class ScriptError : public std::runtime_error {
public:
    ScriptError(std::size_t line, const std::string& message) : std::runtime_error(message), line_(line) {}
    std::size_t line() const { return line_; }

private:
    std::size_t line_;
};

/// One word after the command: `key`, `key=value` or `key=(a,b,c)`.
struct Argument {
    std::string key;
    std::vector<std::string> values;
    /// Whether there is an equals sign.
    bool has_values = false;
};

/// A command with all that belongs to it.
struct Block {
    std::size_t line = 0;
    std::string command;
    std::vector<Argument> arguments;
    std::string input;
};

/// What a block's command prints. It either ends in a newline or gets one.
using Play = std::function<std::string(const Block&)>;

/// The script with what `play` prints in place of each expected output; everything else stays as
/// it is, byte for byte.
std::string replay(const std::string& script, const Play& play);

}  // namespace conformance
