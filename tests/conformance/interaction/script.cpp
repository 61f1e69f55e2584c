#include "script.hpp"

#include <string_view>

namespace conformance {
namespace {

constexpr std::string_view separator = "----";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// The lines with their newlines, which the last one may lack.
std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t length = end == text.npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return lines;
}

std::string_view content(std::string_view line) {
    if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    return line;
}

/// Reads the words of a command's line.
class Words {
public:
    Words(std::size_t line, std::string_view text) : line_(line), rest_(text) {}

    /// Moves to the next word; false at the end or at a comment.
    bool next() {
        rest_ = trimmed(rest_);
        return !rest_.empty() && rest_.front() != '#';
    }

    std::string plain() { return take_until([](char c) { return is_space(c); }); }

    Argument argument() {
        Argument argument;
        argument.key = take_until([](char c) { return is_space(c) || c == '='; });
        if (rest_.empty() || rest_.front() != '=') return argument;
        rest_.remove_prefix(1);
        argument.has_values = true;
        if (argument.key.empty()) throw ScriptError(line_, "an argument has no name");
        if (rest_.empty() || rest_.front() != '(') {
            argument.values.push_back(plain());
            return argument;
        }
        const std::size_t close = rest_.find(')');
        if (close == rest_.npos) throw ScriptError(line_, "a parenthesis is not closed");
        split(rest_.substr(1, close - 1), argument.values);
        rest_.remove_prefix(close + 1);
        return argument;
    }

private:
    template <typename Ends>
    std::string take_until(Ends ends) {
        std::size_t length = 0;
        while (length < rest_.size() && !ends(rest_[length])) ++length;
        std::string word(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return word;
    }

    static void split(std::string_view list, std::vector<std::string>& values) {
        if (trimmed(list).empty()) return;
        for (;;) {
            const std::size_t comma = list.find(',');
            values.emplace_back(trimmed(list.substr(0, comma)));
            if (comma == list.npos) return;
            list.remove_prefix(comma + 1);
        }
    }

    std::size_t line_;
    std::string_view rest_;
};

Block parse_command(std::size_t line, std::string_view text) {
    Block block;
    block.line = line;
    Words words(line, text);
    words.next();
    block.command = words.plain();
    while (words.next()) block.arguments.push_back(words.argument());
    return block;
}

}  // namespace

std::string replay(const std::string& script, const Play& play) {
    const std::vector<std::string_view> lines = lines_of(script);
    std::string played;
    std::size_t at = 0;
    while (at < lines.size()) {
        const std::string_view text = trimmed(content(lines[at]));
        played += lines[at];
        ++at;
        if (text.empty() || text.front() == '#') continue;

        Block block = parse_command(at, text);
        while (at < lines.size() && content(lines[at]) != separator) {
            block.input += lines[at];
            played += lines[at];
            ++at;
        }
        if (at == lines.size()) throw ScriptError(block.line, "the command is not followed by a line ----");
        played += separator;
        played += '\n';
        ++at;

        const bool at_end = at == lines.size();
        bool ends_in_newline = true;
        while (at < lines.size() && !content(lines[at]).empty()) {
            ends_in_newline = lines[at].back() == '\n';
            ++at;
        }
        std::string output = play(block);
        if (!output.empty() && output.back() != '\n') output += '\n';
        // A script that ends without a newline is played as one that does so too.
        if (!at_end && !ends_in_newline && !output.empty()) output.pop_back();
        played += output;
    }
    return played;
}

}  // namespace conformance
