//! A PostgreSQL of a process's own: one server for each process, gone with it.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Longest wait for the server. Nothing takes this long: it only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Makes the cluster and runs the server until its standard input ends, which it does with the test process, however that
/// ends.
const SCRIPT: &str = r#"
set -e
"$1/initdb" --pgdata="$2/data" --username=quern --auth=trust --encoding=UTF8 --locale=C --no-sync >"$2/initdb.log" 2>&1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c "fsync=$3" -c "full_page_writes=$3" -c max_connections=200 \
    </dev/null >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server
wait $server || true
rm -rf "$2"
"#;

/// Whether what was written survives a power cut. Tests need not wait for that; measurements do.
pub static IS_SAFE: AtomicBool = AtomicBool::new(false);

struct Server {
    folder: PathBuf,
    // Held: its standard input ends with this process.
    _child: Child,
}

/// What `--store` says for a database of the server, which is started if it does not run yet.
///
/// # Panics
/// If PostgreSQL is not installed or does not start.
pub fn url(database: &str) -> String {
    let socket = server().folder.display().to_string().replace('/', "%2F");
    format!("postgres://quern@{socket}/{database}")
}

/// Whether PostgreSQL is installed.
pub fn has_commands() -> bool {
    find_commands().is_some()
}

/// Where PostgreSQL's commands are.
///
/// # Panics
/// If it is not installed.
pub fn commands() -> PathBuf {
    find_commands().expect("these tests run PostgreSQL's initdb and postgres: apt-get install postgresql, or cargo xtask test")
}

/// Debian keeps them out of PATH.
fn find_commands() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let debian = std::fs::read_dir("/usr/lib/postgresql");
    let debian = debian.into_iter().flatten().flatten();
    folders.extend(debian.map(|version| version.path().join("bin")));
    let has = |folder: &PathBuf, name: &str| folder.join(name).is_file();
    folders.into_iter().find(|folder| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|name| has(folder, name))
    })
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = start();
        let begun = Instant::now();
        // The socket is there before the server answers; a connection is the only sign.
        while !answers(&server.folder) {
            let log =
                |name: &str| std::fs::read_to_string(server.folder.join(name)).unwrap_or_default();
            assert!(
                begun.elapsed() < LIMIT,
                "PostgreSQL did not start: {}{}",
                log("initdb.log"),
                log("log")
            );
            std::thread::sleep(LOOK_EVERY);
        }
        server
    })
}

fn answers(folder: &Path) -> bool {
    let done = Command::new(commands().join("pg_isready"))
        .arg("--quiet")
        .arg("--host")
        .arg(folder)
        .status();
    done.is_ok_and(|status| status.success())
}

fn start() -> Server {
    // The paths of sockets are short.
    let folder = tempfile::Builder::new()
        .prefix("quern-pg-")
        .tempdir_in("/tmp")
        .unwrap()
        .keep();
    let mut command = match asks("id", &["-u"]).as_str() {
        // PostgreSQL refuses to run as root.
        "0" => {
            let [user, group] = [["-u", "nobody"], ["-g", "nobody"]].map(|of| asks("id", &of));
            std::os::unix::fs::chown(&folder, user.parse().ok(), group.parse().ok()).unwrap();
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &user, "--regid", &group, "--clear-groups", "sh"]);
            command
        }
        _ => Command::new("sh"),
    };
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    command
        .args(["-c", SCRIPT, "sh"])
        .arg(commands())
        .arg(&folder)
        .arg(if IS_SAFE.load(Ordering::SeqCst) {
            "on"
        } else {
            "off"
        })
        .current_dir("/")
        // A signal to the test's group must not reach the server before the script ends it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.spawn().unwrap();
    Server {
        folder,
        _child: child,
    }
}

fn asks(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
