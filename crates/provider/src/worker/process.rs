//! Runs a program with a bounded answer, and keeps what it says last.

use {
    quern_client::text,
    std::{ffi::OsStr, path::Path, process::Stdio, time::Duration},
    tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
        process::Command,
    },
};

/// Most bytes that a program may answer with.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// The part of standard error in which its last line is looked for, in bytes.
const TAIL_BYTES: usize = 4 * 1024;
/// The part of a line that is logged, in bytes.
const MAX_LOGGED_BYTES: usize = 4 * 1024;
/// The part of its last line that is repeated, in characters.
const MAX_LINE_CHARS: usize = 300;
/// How long standard error is read on after the program has ended: a process that it left behind may hold it open.
const LAST_LINE_GRACE: Duration = Duration::from_secs(1);

/// The program's standard output; it is killed when the future is dropped.
///
/// # Errors
/// How it failed, as a part of a sentence: with its exit code and the last line of its standard error.
pub(super) async fn run(
    program: &Path,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: &[u8],
) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("its standard streams cannot be used".to_owned());
    };
    let feed = async {
        // A program may answer without reading everything; then the pipe breaks, which is its own affair.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let mut answer = Vec::new();
    let mut bounded = stdout.take(MAX_ANSWER_BYTES + 1);
    let answered = async {
        let ((), read) = tokio::join!(feed, bounded.read_to_end(&mut answer));
        read.map_err(|error| error.to_string())?;
        if answer.len() as u64 > MAX_ANSWER_BYTES {
            return Err("it answered more than 64 KiB".to_owned());
        }
        child.wait().await.map_err(|error| error.to_string())
    };
    let mut tail = Vec::new();
    let status = {
        let passed_on = pass_on(stderr, &mut tail);
        tokio::pin!(answered, passed_on);
        tokio::select! {
            status = &mut answered => {
                let _ = tokio::time::timeout(LAST_LINE_GRACE, passed_on).await;
                status?
            }
            () = &mut passed_on => answered.await?,
        }
    };
    match (status.success(), last_line(&tail)) {
        (true, _) => Ok(answer),
        (false, None) => Err(format!("it ended with {status}")),
        (false, Some(line)) => Err(format!("it says `{line}` and ended with {status}")),
    }
}

/// Logs every line that comes, and keeps the end of all.
async fn pass_on(mut from: impl AsyncRead + Unpin, tail: &mut Vec<u8>) {
    let mut line = Vec::new();
    let mut part = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut part).await {
        let part = part.get(..length).unwrap_or_default();
        for byte in part {
            match byte {
                b'\n' => log(&mut line),
                // The rest of a longer line is dropped.
                _ if line.len() < MAX_LOGGED_BYTES => line.push(*byte),
                _ => {}
            }
        }
        tail.extend_from_slice(part);
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }
    log(&mut line);
}

/// Hands a line to the logger, which makes one event of it in its own form and hides what is secret.
fn log(line: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(line);
    if !text.trim().is_empty() {
        tracing::info!("worker: {}", text::escaped(text.trim()));
    }
    line.clear();
}

/// The last line with anything in it, so that it can stand in a log: a model's words may be in it.
fn last_line(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let shown: String = line.trim().chars().take(MAX_LINE_CHARS).collect();
    Some(text::escaped(&shown))
}
