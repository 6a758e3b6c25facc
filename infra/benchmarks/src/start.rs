//! From process start to the first request for work: what a cold start costs beside Lambda's own
//! part.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use local_world::{Build, compile_functions, compile_program};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::row::{Figure, Row, mark};

const HELLO: &str = "hello-handler";
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Something that is started.
struct Subject {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    milliseconds: Vec<f64>,
    mebibytes: Vec<f64>,
}

/// What the handler that does nothing takes of memory at its first request, in MiB: nothing on this
/// runtime takes less.
pub(crate) async fn least_memory(build: Build) -> Result<f64> {
    Ok(start(&compile_program(build, HELLO).await?, &[], None).await?.1)
}

/// Measures.
pub(crate) async fn measure(build: Build) -> Result<Vec<Row>> {
    println!(
        "Compiling the functions{}",
        if build == Build::Release {
            " as they are deployed (the first time: minutes)"
        } else {
            ""
        }
    );
    let functions = compile_functions(build).await?;
    let subject = |name, program, arguments| Subject {
        name,
        program,
        arguments,
        milliseconds: Vec::new(),
        mebibytes: Vec::new(),
    };
    let peer = local_world::paths::workspace().join("infra/benchmarks/peers/handler.py");
    let interpreter = local_world::python().await?;
    let mut subjects = vec![
        subject(HELLO, compile_program(build, HELLO).await?, vec![]),
        subject("python", interpreter.clone(), vec![peer]),
    ];
    subjects.extend(functions.into_iter().map(|(name, program)| subject(name, program, vec![])));
    let rounds = if build == Build::Development { 5 } else { 30 };
    println!("Starting each of {} programs {rounds} times, in turn", subjects.len());
    for _ in 0..rounds {
        for subject in &mut subjects {
            let (took, memory) = start(&subject.program, &subject.arguments, None).await?;
            subject.milliseconds.push(took.as_secs_f64() * 1000.0);
            subject.mebibytes.push(memory);
        }
    }
    let [hello, python, ours @ ..] = &subjects[..] else { bail!("there is nothing to start") };
    let of = mark(build);
    let mut rows = Vec::new();
    for ours in ours {
        rows.push(Row {
            what: format!("{}: process start to first request", ours.name),
            unit: "ms",
            ours: Some(Figure::of(ours.milliseconds.clone(), of)?),
            bound: Some(Figure::of(hello.milliseconds.clone(), "handler that does nothing")?),
            peer: Some(Figure::of(python.milliseconds.clone(), "Python, boto3, urllib3")?),
            note: format!("median of {rounds}, in turn with the others"),
        });
        rows.push(Row {
            what: format!("{}: memory at its first request", ours.name),
            unit: "MiB",
            ours: Some(Figure::of(ours.mebibytes.clone(), of)?),
            bound: Some(Figure::of(hello.mebibytes.clone(), "")?),
            peer: Some(Figure::of(python.mebibytes.clone(), "")?),
            note: "most that was ever resident (VmHWM)".to_owned(),
        });
    }
    let bundle = zipped(&interpreter, &python_packages(&interpreter)?).await?;
    let smallest = zipped(&interpreter, std::slice::from_ref(&hello.program)).await?;
    for ours in ours {
        rows.push(Row {
            what: format!("{}: zipped size", ours.name),
            unit: "MB",
            ours: Some(Figure::one(
                zipped(&interpreter, std::slice::from_ref(&ours.program)).await?,
                of,
            )),
            bound: Some(Figure::one(smallest, "")),
            peer: Some(Figure::one(bundle, "boto3, botocore, urllib3")),
            note: "what Lambda fetches; its managed Python runtime has boto3 already".to_owned(),
        });
    }
    rows.extend(instructions(hello, ours, of).await?);
    Ok(rows)
}

/// Starts a program as Lambda does, and answers when it asked for work first, and how much memory
/// it had then. `before` stands before the program, as valgrind does.
async fn start(
    program: &Path,
    arguments: &[PathBuf],
    before: Option<&[String]>,
) -> Result<(Duration, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut command = match before {
        Some([first, rest @ ..]) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        _ => Command::new(program),
    };
    command.args(arguments).env_clear().envs(environment(&listener.local_addr()?.to_string()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let begun = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("{} could not be started", program.display()))?;
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(PATIENCE, listener.accept()) => accepted.context("no request came")??,
        ended = child.wait() => bail!("{} ended at once: {}", program.display(), ended?),
    };
    let mut request = [0_u8; 4096];
    let mut stream = accepted.0;
    let length = stream.read(&mut request).await?;
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(&request[..length]).into_owned();
    if !text.starts_with("GET /2018-06-01/runtime/invocation/next") {
        bail!(
            "{} asked for something else first: {}",
            program.display(),
            text.lines().next().unwrap_or_default()
        );
    }
    let memory = child
        .id()
        .and_then(|id| highest_memory(&PathBuf::from(format!("/proc/{id}"))))
        .unwrap_or_default();
    if before.is_some() {
        // An orderly end, for what counts: the answer is none that a runtime understands.
        let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        drop((stream, listener));
        if let Some(id) = child.id() {
            let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(60), child.wait()).await;
    } else {
        child.kill().await?;
    }
    Ok((took, memory))
}

/// What Lambda and the template give a function; nothing is there to be reached.
fn environment(runtime: &str) -> Vec<(&'static str, String)> {
    let text = |name, value: &str| (name, value.to_owned());
    vec![
        ("AWS_LAMBDA_RUNTIME_API", runtime.to_owned()),
        text("AWS_LAMBDA_FUNCTION_NAME", "benchmark"),
        text("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        text("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        text("AWS_LAMBDA_LOG_GROUP_NAME", "benchmark"),
        text("AWS_LAMBDA_LOG_STREAM_NAME", "benchmark"),
        text("AWS_ACCESS_KEY_ID", "none"),
        text("AWS_SECRET_ACCESS_KEY", "none"),
        text("AWS_REGION", local_world::REGION),
        text("AWS_DEFAULT_REGION", local_world::REGION),
        text("PATH", "/usr/local/bin:/usr/bin:/bin"),
        text("CHANNELS_TABLE", "channels"),
        text("ORDERS_TABLE", "orders"),
        text("RULES_TABLE", "rules"),
        text("ORDERS_QUEUE_URL", "http://127.0.0.1:9/orders"),
        text("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/dead"),
        text("DISPATCHES_QUEUE_URL", "http://127.0.0.1:9/dispatches"),
        text("DISPATCHES_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/dead-dispatches"),
        text("STOCK_TABLE", "stock"),
        text("STOCK_IMPORTS_QUEUE_URL", "http://127.0.0.1:9/stock"),
        text("STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/dead-stock"),
        text("STOCK_FILES_BUCKET", "stock-files"),
        text("DISPATCH_FILES_BUCKET", "files"),
        text("EVENT_BUS_NAME", "events"),
        text("SECRET_PREFIX", "benchmark/channels/"),
    ]
}

/// The most memory that a process ever had resident, in MiB.
pub(crate) fn highest_memory(process: &Path) -> Option<f64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// What a Python bundle with the same clients holds.
fn python_packages(interpreter: &Path) -> Result<Vec<PathBuf>> {
    let environment = interpreter
        .parent()
        .and_then(Path::parent)
        .context("the Python environment has no place")?;
    let library = environment.join("lib");
    let version =
        std::fs::read_dir(&library)?.flatten().next().context("the Python environment is empty")?;
    let packages = version.path().join("site-packages");
    Ok(["boto3", "botocore", "urllib3", "s3transfer", "jmespath", "dateutil"]
        .map(|name| packages.join(name))
        .into())
}

/// How large files and directories are, zipped, in MB. Without what Python compiled here: a bundle
/// needs none of it, and it would flatter us.
async fn zipped(interpreter: &Path, paths: &[PathBuf]) -> Result<f64> {
    let script = "import os, sys, tempfile, zipfile\n\
        with tempfile.TemporaryFile() as file:\n\
        \x20   with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:\n\
        \x20       for top in sys.argv[1:]:\n\
        \x20           for path, _, names in os.walk(top) if os.path.isdir(top) else [(os.path.dirname(top), [], [os.path.basename(top)])]:\n\
        \x20               if os.path.basename(path) == '__pycache__':\n\
        \x20                   continue\n\
        \x20               for name in names:\n\
        \x20                   archive.write(os.path.join(path, name))\n\
        \x20   print(file.seek(0, 2))\n";
    let output = Command::new(interpreter).args(["-c", script]).args(paths).output().await?;
    let bytes: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(bytes / 1e6)
}

/// Instructions to the first request, where valgrind is there: repeatable, unlike times.
async fn instructions(hello: &Subject, ours: &[Subject], of: &str) -> Result<Vec<Row>> {
    let has_valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    if !has_valgrind.is_ok_and(|status| status.success()) {
        println!("valgrind is not installed: no instructions are counted");
        let missing = ours.iter().map(|ours| Row {
            what: format!("{}: instructions to the first request", ours.name),
            unit: "million",
            ours: None,
            bound: None,
            peer: None,
            note: "valgrind is not installed".to_owned(),
        });
        return Ok(missing.collect());
    }
    println!("Counting instructions with valgrind");
    let bound = count(&hello.program).await?;
    let mut rows = Vec::new();
    for ours in ours {
        rows.push(Row {
            what: format!("{}: instructions to the first request", ours.name),
            unit: "million",
            ours: Some(Figure::one(count(&ours.program).await?, of)),
            bound: Some(Figure::one(bound, "handler that does nothing")),
            peer: None,
            note: "callgrind; repeatable within a few thousandths".to_owned(),
        });
    }
    Ok(rows)
}

async fn count(program: &Path) -> Result<f64> {
    let file = local_world::paths::target().join(format!("callgrind-{}", std::process::id()));
    let before =
        ["valgrind", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]
            .map(ToOwned::to_owned);
    start(program, &[], Some(&before)).await?;
    let text = std::fs::read_to_string(&file).context("valgrind counted nothing")?;
    let _ = std::fs::remove_file(&file);
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")));
    let total: f64 = total.context("valgrind counted nothing")?.trim().parse()?;
    Ok(total / 1e6)
}
