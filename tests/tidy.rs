//! Reads the source as text, and checks rules that no compiler knows: layers, homes, lengths,
//! platforms, words.
//!
//! ARCHITECTURE.md has the reasons. A change of a layer or a home here needs a change there too.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/platforms.rs"]
mod platforms;
#[path = "tidy/words.rs"]
mod words;

/// The crate's layers, lowest first. Siblings on one line do not import each other.
const LAYERS: [&[&str]; 12] = [
    &["sys"],
    &["runtime"],
    &["sync"],
    &["task", "time"],
    &["thread"],
    &["io"],
    &["net", "fs"],
    &["signal"],
    &["process"],
    &["workers"],
    &["hyper", "testing", "tokio"],
    &["docs", "lib"],
];

/// The strata of the kernel, lowest first, as folders of `src/runtime`. A file imports from its own
/// stratum and from those below it. Files outside these folders are the loop itself.
const STRATA: [&str; 6] = ["data", "threads", "reactor", LOOP, "handles", "doors"];

/// The stratum of the files in `src/runtime` itself, and of their reports.
const LOOP: &str = "event_loop";

const LINES_MAX: usize = 600;

struct Source {
    /// For example `runtime/reactor/mod.rs`.
    path: String,
    text: String,
    /// The text without comments and without the contents of quotes.
    code: String,
}

impl Source {
    /// The path of the file's module, such as `["runtime", "reactor", "alarm"]`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> =
            self.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
            parts.pop();
        }
        parts
    }

    fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// The places of a word that is not part of a longer one.
    fn words(&self, word: &str) -> Vec<usize> {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let stands_alone = |&(at, _): &(usize, &str)| {
            !is_part(self.code[..at].chars().next_back())
                && !is_part(self.code[at + word.len()..].chars().next())
        };
        self.code.match_indices(word).filter(stands_alone).map(|(at, _)| at).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The Rust files of a folder next to this package's `Cargo.toml`.
fn sources(folder: &str) -> Vec<Source> {
    let folder = root().join(folder);
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no Rust files in {}", folder.display());
    let source = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        Source { path, code: code_of(&text), text }
    };
    files.into_iter().map(source).collect()
}

/// The text with comments, strings and characters blanked out, so that lines and offsets stay the
/// same.
fn code_of(text: &str) -> String {
    let blank =
        |part: &str| part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>();
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == 'r'
            && !ends_in_word(&code)
            && (rest.starts_with("r\"") || rest.starts_with("r#\""))
        {
            let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
            rest[3..].find(end).map_or(rest.len(), |at| 3 + at + end.len())
        } else if first == '"' {
            end_of_string(rest)
        } else if first == '\'' {
            end_of_char(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push_str(&blank(&rest[..len]));
        rest = &rest[len..];
    }
    code
}

fn ends_in_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn end_of_string(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character in quotes, or of one quote, if it begins a lifetime.
fn end_of_char(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// A path that the file names, from the root of the crate, and its place.
struct Import {
    path: Vec<String>,
    line: usize,
}

/// The paths that the `use` statements of a file, outside its tests, take from this crate.
fn imports(source: &Source) -> Vec<Import> {
    let tests = source.code.find("\nmod tests").unwrap_or(source.code.len());
    let mut imports = Vec::new();
    for at in source.words("use").into_iter().filter(|&at| at < tests) {
        let statement = &source.code[at + 3..];
        let statement = &statement[..statement.find(';').unwrap_or(statement.len())];
        let line = source.line_of(at);
        let depth = inline_modules(&source.code[..at]);
        let mut module = source.module();
        module.extend(depth);
        for path in paths_of(statement) {
            if let Some(path) = from_root(&module, &path) {
                imports.push(Import { path, line });
            }
        }
    }
    imports
}

/// The modules with a body that are still open at the end of `code`.
fn inline_modules(code: &str) -> Vec<String> {
    let mut open: Vec<Option<String>> = Vec::new();
    let mut name = None;
    let mut words = Vec::new();
    for token in
        code.split_inclusive(|c: char| c == '{' || c == '}' || c == ';' || c.is_whitespace())
    {
        let (word, end) =
            token.split_at(token.len() - token.chars().next_back().map_or(0, char::len_utf8));
        if !word.is_empty() {
            if words.last() == Some(&"mod") {
                name = Some(word.to_owned());
            }
            words.push(word);
        }
        match end {
            "{" => open.push(name.take()),
            "}" => drop(open.pop()),
            ";" => name = None,
            _ => {}
        }
    }
    open.into_iter().flatten().collect()
}

/// The full paths of a `use` statement.
fn paths_of(statement: &str) -> Vec<Vec<String>> {
    let statement = statement.trim();
    let Some(open) = statement.find('{') else {
        let path = statement.split(" as ").next().unwrap_or(statement);
        return vec![path.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let prefix: Vec<String> = statement[..open]
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let inner = statement[open + 1..].trim_end().trim_end_matches('}');
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    let with_prefix = |path: Vec<String>| prefix.iter().cloned().chain(path).collect();
    parts.flat_map(paths_of).map(with_prefix).collect()
}

/// The path that `module` means by `path`, from the root of the crate. `None` if it leads to
/// another crate.
fn from_root(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            rest = &path[1..];
        }
        Some("self") => rest = &path[1..],
        Some("super") => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        _ => return None,
    }
    let path = base.into_iter().chain(rest.iter().cloned()).filter(|part| part != "self");
    Some(path.collect())
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The stratum of the item that `module`, a path below `runtime`, names. The facade has none,
/// because it may name everything.
fn stratum_of(module: &[String]) -> Option<usize> {
    let first = module.first()?;
    let folder = root().join("src/runtime").join(first);
    let name = match first.as_str() {
        "report" => LOOP,
        _ if folder.with_extension("rs").is_file() => LOOP,
        folder => folder,
    };
    STRATA.iter().position(|&stratum| stratum == name)
}

/// Fails with all complaints at once.
fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_file_has_its_layer() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        let module = source.module();
        let layer = module.first().map_or("lib", String::as_str);
        if layer_of(layer).is_none() {
            complaints
                .push(format!("src/{}: give `{layer}` its layer in tests/tidy.rs", source.path));
        }
        if module.len() > 1 && module[0] == "runtime" && stratum_of(&module[1..]).is_none() {
            complaints.push(format!("src/{}: put it into a stratum of the kernel", source.path));
        }
    }
    report(&complaints);
}

#[test]
fn files_import_only_from_layers_below_their_own() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        let module = source.module();
        let layer = module.first().map_or("lib", String::as_str);
        for Import { path, line } in imports(&source) {
            let Some(target) = path.first() else { continue };
            let (Some(own), Some(of_target)) = (layer_of(layer), layer_of(target)) else {
                // A re-export at the root of the crate, above everything.
                let place = format!("src/{}:{line}", source.path);
                if layer != "lib" {
                    complaints.push(format!(
                        "{place}: name the module of `{}`, not the root",
                        path.join("::")
                    ));
                }
                continue;
            };
            if of_target >= own && target != layer {
                let place = format!("src/{}:{line}", source.path);
                complaints.push(format!(
                    "{place}: `{layer}` must not know `{target}`, which is not below it"
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn files_of_the_kernel_import_only_from_their_stratum_and_those_below() {
    let mut complaints = Vec::new();
    for source in sources("src").into_iter().filter(|source| source.path.starts_with("runtime/")) {
        let module = source.module();
        // The facade may name everything.
        let Some(own) = stratum_of(&module[1..]) else { continue };
        for Import { path, line } in imports(&source) {
            if path.first().is_none_or(|first| first != "runtime") {
                continue;
            }
            let place = format!("src/{}:{line}", source.path);
            match stratum_of(&path[1..]) {
                Some(of_target) if of_target <= own => {}
                Some(of_target) => complaints.push(format!(
                    "{place}: `{}` must not know `{}`, which is above it",
                    STRATA[own], STRATA[of_target]
                )),
                None => complaints.push(format!(
                    "{place}: name the file of `{}`, not the facade of the kernel",
                    path.join("::")
                )),
            }
        }
    }
    report(&complaints);
}

#[test]
fn dependencies_stay_in_their_homes() {
    let homes: [(&str, &[&str]); 3] = [
        ("mio", &["sys/", "runtime/reactor/", "net/"]),
        ("slab", &["runtime/", "sync/wait_list.rs"]),
        ("futures_task", &["runtime/"]),
    ];
    let mut complaints = Vec::new();
    for source in sources("src") {
        for (name, folders) in homes {
            if folders.iter().any(|folder| source.path.starts_with(folder)) {
                continue;
            }
            // Only as the first part of a path, not as a separate word.
            for at in source.words(name) {
                let before = source.code[..at].trim_end();
                let is_path = source.code[at + name.len()..].starts_with("::")
                    && (!before.ends_with("::") || before.ends_with("use ::"));
                if is_path {
                    let line = source.line_of(at);
                    let homes = folders.join(" and ");
                    complaints.push(format!(
                        "src/{}:{line}: the home of `{name}` is {homes}",
                        source.path
                    ));
                }
            }
        }
    }
    report(&complaints);
}

#[test]
fn unsafe_stands_in_one_block_of_the_waker() {
    let mut places = Vec::new();
    for source in sources("src") {
        for at in source.words("unsafe") {
            places.push((source.path.clone(), source.line_of(at)));
        }
    }
    let files: Vec<&str> = places.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(files, ["runtime/threads/waker.rs"], "unsafe code stands at {places:?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests/it", "tests/os", "tests/programs", "crates/macros/src"] {
        for source in sources(folder) {
            let path = format!("{folder}/{}", source.path);
            let lines = source.text.lines().count();
            if lines > LINES_MAX {
                complaints.push(format!(
                    "{path}: {lines} lines, and {LINES_MAX} are the limit: split it"
                ));
            }
            if !source.text.starts_with("//! ") {
                complaints.push(format!("{path}: begin it with `//!` and what it is for"));
            }
        }
    }
    report(&complaints);
}

/// The documentation above a line, and the line of code itself, up to its body.
fn documented(source: &Source, keyword: &str) -> Vec<(usize, String, String)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let code: Vec<&str> = source.code.lines().collect();
    let mut found = Vec::new();
    for (index, line) in code.iter().enumerate().filter(|(_, line)| line.contains(keyword)) {
        let above = lines[..index].iter().rev().map(|line| line.trim_start());
        // Attributes come in between, and may have several lines.
        let above = above.take_while(|line| {
            !line.is_empty() && (line.starts_with("///") || !line.ends_with(['{', '}', ';']))
        });
        let docs: Vec<&str> = above.filter(|line| line.starts_with("///")).collect();
        found.push((index + 1, line.trim().to_owned(), docs.join("\n")));
    }
    found
}

#[test]
fn public_async_functions_say_what_cancelling_them_loses() {
    let mut complaints = Vec::new();
    for source in sources("src") {
        for (line, code, docs) in documented(&source, "pub async fn ") {
            if !docs.contains("# Cancel safety") {
                complaints
                    .push(format!("src/{}:{line}: no `# Cancel safety`: {code}", source.path));
            }
        }
    }
    report(&complaints);
}

#[test]
fn nothing_is_left_to_be_done() {
    let mut complaints = Vec::new();
    // Assembled, so that this file does not contain the words.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    for folder in ["src", "tests/it", "tests/os", "tests/programs", "crates/macros/src", "examples"]
    {
        for source in sources(folder) {
            for (number, line) in source.text.lines().enumerate() {
                let is_mark = |word: &str| marks.iter().any(|mark| mark == word);
                if line.split(|c: char| !c.is_alphanumeric()).any(is_mark) {
                    complaints.push(format!(
                        "{folder}/{}:{}: do it now: {line}",
                        source.path,
                        number + 1
                    ));
                }
            }
            for at in source
                .words("todo")
                .into_iter()
                .filter(|&at| source.code[at..].starts_with("todo!"))
            {
                complaints.push(format!(
                    "{folder}/{}:{}: do it now",
                    source.path,
                    source.line_of(at)
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn the_architecture_is_short_and_names_functions_that_exist() {
    let Ok(text) = fs::read_to_string(root().join("ARCHITECTURE.md")) else { return };
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > 200 {
        complaints.push(format!("ARCHITECTURE.md: {lines} lines, and 200 are the limit"));
    }
    let sources = sources("src");
    for (number, line) in text.lines().enumerate() {
        // Every second part is between backticks.
        for quoted in line.split('`').skip(1).step_by(2) {
            let Some(path) = quoted.strip_suffix("()") else { continue };
            let name = path.rsplit([':', '.']).next().unwrap_or(path);
            let exists = sources.iter().any(|source| {
                source.words(name).iter().any(|&at| source.code[..at].trim_end().ends_with("fn"))
            });
            if !exists {
                complaints.push(format!(
                    "ARCHITECTURE.md:{}: there is no function `{name}` in src",
                    number + 1
                ));
            }
        }
    }
    report(&complaints);
}

#[test]
fn this_file_reads_code_as_the_compiler_does() {
    let text = "let a = \"unsafe \\\" { \"; // unsafe\nlet b = '\"'; let c: &'static str = r#\"unsafe\"#; /* unsafe */ d\n";
    let code = code_of(text);
    assert!(
        !code.contains("unsafe") && code.contains("static str") && code.contains(" d\n"),
        "{code}"
    );
    assert_eq!(code.len(), text.len());
    let paths = paths_of(" super::{a::{self, B as C}, d}");
    assert_eq!(paths, [vec!["super", "a", "self"], vec!["super", "a", "B"], vec!["super", "d"]]);
    let module = ["runtime", "reactor", "alarm", "on_linux"].map(str::to_owned);
    let path = ["super", "super", "Source"].map(str::to_owned);
    assert_eq!(from_root(&module, &path).unwrap(), ["runtime", "reactor", "Source"]);
    assert_eq!(inline_modules("mod a { fn f() { } mod b { use "), ["a", "b"]);
    assert_eq!(inline_modules("mod a; mod c { } fn f() { "), [""; 0]);
}

/// The public names of Python's asyncio 3.15: functions, classes, constants, exceptions, and the
/// methods of the classes that users meet.
const ASYNCIO: &str = "
    run create_task ensure_future gather wait wait_for as_completed shield sleep timeout timeout_at to_thread
    run_coroutine_threadsafe wrap_future current_task all_tasks iscoroutine iscoroutinefunction isfuture eager_task_factory
    create_eager_task_factory open_connection start_server open_unix_connection start_unix_server create_subprocess_exec
    create_subprocess_shell get_running_loop get_event_loop set_event_loop new_event_loop get_event_loop_policy
    set_event_loop_policy capture_call_graph format_call_graph print_call_graph future_add_to_awaited_by
    future_discard_from_awaited_by

    Runner Task TaskGroup Timeout Future Handle TimerHandle Lock Event Condition Semaphore BoundedSemaphore Barrier Queue
    LifoQueue PriorityQueue StreamReader StreamWriter StreamReaderProtocol Server AbstractServer EventLoop SelectorEventLoop
    ProactorEventLoop BaseEventLoop AbstractEventLoop BaseTransport ReadTransport WriteTransport Transport
    DatagramTransport SubprocessTransport BaseProtocol Protocol BufferedProtocol DatagramProtocol SubprocessProtocol
    FutureCallGraph FrameCallGraphEntry

    FIRST_COMPLETED FIRST_EXCEPTION ALL_COMPLETED CancelledError TimeoutError InvalidStateError IncompleteReadError
    LimitOverrunError SendfileNotAvailableError QueueEmpty QueueFull QueueShutDown BrokenBarrierError

    run_forever run_until_complete stop close is_running is_closed time call_soon call_later call_at call_soon_threadsafe
    create_future set_task_factory get_task_factory run_in_executor set_default_executor shutdown_default_executor
    shutdown_asyncgens getaddrinfo getnameinfo create_connection create_server create_unix_connection create_unix_server
    create_datagram_endpoint connect_accepted_socket start_tls sendfile add_reader remove_reader add_writer remove_writer
    sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept
    sock_sendfile connect_read_pipe connect_write_pipe subprocess_exec subprocess_shell add_signal_handler
    remove_signal_handler set_exception_handler get_exception_handler default_exception_handler call_exception_handler
    set_debug get_debug slow_callback_duration

    add_done_callback remove_done_callback cancel cancelled cancelling uncancel done result exception get_context get_coro
    get_loop get_name set_name get_stack print_stack when reschedule expired close_clients abort_clients wait_closed
    serve_forever start_serving is_serving sockets read readline readexactly readuntil at_eof feed_data feed_eof
    set_exception write writelines drain is_closing write_eof can_write_eof get_extra_info transport communicate
    send_signal terminate kill pid returncode stdin stdout stderr reset abort parties n_waiting broken put get put_nowait
    get_nowait qsize empty full maxsize join task_done shutdown
";

#[test]
fn the_translation_table_has_every_name_of_asyncio() {
    let table = fs::read_to_string(root().join("docs/asyncio.md")).unwrap();
    // The names in the left column, which are between backticks, alone or within an expression.
    let left: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|row| row.split(" | ").next().unwrap_or(row))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .flat_map(|quoted| quoted.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect();
    let missing: Vec<String> = ASYNCIO
        .split_whitespace()
        .filter(|name| !left.contains(name))
        .map(|name| format!("docs/asyncio.md: there is no row for `{name}`"))
        .collect();
    report(&missing);
}
