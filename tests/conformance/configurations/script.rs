//! The format of the scripts: blocks of a command, an input, `----`, and the expected output. What
//! the commands mean is not known here.

/// The script is not what the format or its commands ask for. The line is counted from 1.
#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    pub why: String,
}

/// One word after the command: `key`, `key=value` or `key=(a,b,c)`.
#[derive(Debug)]
pub struct Argument {
    pub key: String,
    /// Without an equals sign there are none.
    pub values: Option<Vec<String>>,
}

/// A command with all that belongs to it.
#[derive(Debug)]
pub struct Block {
    pub line: usize,
    pub command: String,
    pub arguments: Vec<Argument>,
    pub input: String,
}

const SEPARATOR: &str = "----";

impl Block {
    /// A failure of this block.
    pub fn fail(&self, why: impl std::fmt::Display) -> Failure {
        Failure {
            line: self.line,
            why: format!("{}: {why}", self.command),
        }
    }

    fn parse(line: usize, text: &str) -> Result<Block, Failure> {
        let fail = |why: &str| Failure {
            line,
            why: why.to_owned(),
        };
        let (command, mut rest) = split_word(text, |c| c.is_whitespace());
        let mut arguments = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('#') {
                break;
            }
            let (key, after) = split_word(rest, |c| c.is_whitespace() || c == '=');
            let mut values = None;
            rest = after;
            if let Some(after) = rest.strip_prefix('=') {
                if key.is_empty() {
                    return Err(fail("an argument has no name"));
                }
                if let Some(after) = after.strip_prefix('(') {
                    let (list, after) = after
                        .split_once(')')
                        .ok_or_else(|| fail("a parenthesis is not closed"))?;
                    values = Some(split_list(list));
                    rest = after;
                } else {
                    let (value, after) = split_word(after, |c| c.is_whitespace());
                    values = Some(vec![value.to_owned()]);
                    rest = after;
                }
            }
            let key = key.to_owned();
            arguments.push(Argument { key, values });
        }
        Ok(Block {
            line,
            command: command.to_owned(),
            arguments,
            input: String::new(),
        })
    }
}

fn split_word(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn split_list(list: &str) -> Vec<String> {
    if list.trim().is_empty() {
        return Vec::new();
    }
    list.split(',')
        .map(|value| value.trim().to_owned())
        .collect()
}

/// The script with what `play` prints in place of each expected output; everything else stays as
/// it is, byte for byte.
pub fn replay(
    script: &str,
    mut play: impl FnMut(&Block) -> Result<String, Failure>,
) -> Result<String, Failure> {
    let mut played = String::new();
    let mut lines = script.split_inclusive('\n').zip(1..).peekable();
    while let Some((line, number)) = lines.next() {
        played += line;
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let mut block = Block::parse(number, text)?;
        loop {
            let (line, _) = lines.next().ok_or_else(|| Failure {
                line: number,
                why: "the command is not followed by a line ----".to_owned(),
            })?;
            if content(line) == SEPARATOR {
                break;
            }
            block.input += line;
            played += line;
        }
        played += SEPARATOR;
        played.push('\n');
        let mut ends_in_newline = true;
        while let Some((line, _)) = lines.next_if(|(line, _)| !content(line).is_empty()) {
            ends_in_newline = line.ends_with('\n');
        }
        let mut output = play(&block)?;
        if !output.is_empty() && !output.ends_with('\n') {
            output.push('\n');
        }
        // A script that ends without a newline is played as one that does so too.
        if !ends_in_newline {
            output.pop();
        }
        played += &output;
    }
    Ok(played)
}

fn content(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}
