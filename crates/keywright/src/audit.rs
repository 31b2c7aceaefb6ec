//! `keywright audit`: the chain of the logs, exported and checked.

use crate::{Place, admin::ask};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use keywright_cli::admin::{Format, render};
use keywright_core::{
    log::chain::{Checker, Head, Link, Whole},
    recovery::Section,
};
use keywright_protocol::{
    OrganizationId, Position,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::config::{Config, Flags};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write, stdin, stdout},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// What `keywright audit` does.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the chain of an organization's logs, one link a line, to be checked anywhere
    Export {
        #[command(flatten)]
        place: Place,
        /// The root organization; without it the chain of the installation as a whole
        #[arg(long)]
        organization: Option<OrganizationId>,
    },
    /// Write down what has been taken away from anybody, behind what the file has: a restored backup is told of it. To be run often
    Revocations {
        #[command(flatten)]
        place: Place,
        /// The file; made if it is not there
        file: PathBuf,
    },
    /// Check an exported chain, without server and database
    Verify {
        /// The file; - for the standard input
        file: PathBuf,
        /// The end of the chain as it was noted earlier, such as 17:5342…; a chain that was cut off or written anew since is found by it
        #[arg(long)]
        head: Option<Head>,
    },
}

pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Export { place, organization } => export(&place.load(Flags::default())?, organization).await,
        AuditCommand::Revocations { place, file } => revocations(&place.load(Flags::default())?, &file).await,
        AuditCommand::Verify { file, head } => {
            let told = if file == Path::new("-") { verify(stdin().lock(), head) } else { verify(BufReader::new(open(&file)?), head) };
            println!("{}", told.with_context(|| file.display().to_string())?);
            Ok(())
        }
    }
}

fn open(file: &Path) -> anyhow::Result<File> {
    File::open(file).with_context(|| format!("{} cannot be read", file.display()))
}

async fn export(config: &Config, organization: Option<OrganizationId>) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let reply = ask(config, AdminRequest::ListChain { organization, after }).await?;
        let AdminReply::Chain { links } = &reply else { bail!("{}", render(&reply, Format::Text)?) };
        let Some(last) = links.last() else { return Ok(()) };
        after = last.get("sequence").and_then(serde_json::Value::as_i64).context("a link has no number")?;
        let mut out = BufWriter::new(stdout().lock());
        for link in links {
            writeln!(out, "{link}")?;
        }
        out.flush()?;
    }
}

/// Adds sections to a file. What a crash left of the last one is written anew.
async fn revocations(config: &Config, path: &Path) -> anyhow::Result<()> {
    let mut log = RevocationLog { path, file: None };
    let mut last = log.open()?;
    let (mut after, mut count) = (last.as_ref().map_or(Position { history: 0, n: 0 }, |section| section.to), 0);
    loop {
        let reply = ask(config, AdminRequest::ListRevocations { after }).await?;
        let AdminReply::Revocations { section } = &reply else { bail!("{}", render(&reply, Format::Text)?) };
        let Some(text) = section else { break };
        let section: Section = serde_json::from_value(text.clone()).context("a section cannot be read")?;
        if let Some(last) = last.filter(|last| last.issuer != section.issuer) {
            bail!("{} is the log of another installation, {}; name another file", path.display(), last.issuer.escape_debug());
        }
        log.write(&format!("{text}\n"))?;
        (after, count, last) = (section.to, count + 1, Some(section));
    }
    println!("{}: {count} more sections, up to position {after}", path.display());
    Ok(())
}

/// A file of sections that nobody else writes meanwhile.
struct RevocationLog<'a> {
    path: &'a Path,
    file: Option<File>,
}

impl RevocationLog<'_> {
    /// The last section, if the file is there and has one. Only what is left of a section is removed from its end.
    fn open(&mut self) -> anyhow::Result<Option<Section>> {
        let path = self.path.display();
        let mut file = match OpenOptions::new().read(true).write(true).open(self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{path} cannot be written")),
        };
        if file.try_lock().is_err() {
            bail!("{path} is being written by another run; wait until it is done");
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("{path} cannot be read"))?;
        let (whole, rest) = text.split_at_checked(text.rfind('\n').map_or(0, |at| at + 1)).context("it has an end")?;
        let is_ours = whole.lines().all(|line| line.starts_with(FIRST_MEMBER) && line.ends_with('}'))
            && (rest.starts_with(FIRST_MEMBER) || FIRST_MEMBER.starts_with(rest));
        let last = whole.lines().last().map(serde_json::from_str).transpose().ok().filter(|_| is_ours);
        let last = last.with_context(|| format!("{path} is no log of revocations, or not whole; name another file"))?;
        file.set_len(whole.len() as u64).and_then(|()| file.seek(SeekFrom::End(0))).with_context(|| format!("{path} cannot be written"))?;
        self.file = Some(file);
        Ok(last)
    }

    fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let told = || format!("{} cannot be written", self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path).with_context(told)?),
        };
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).with_context(told)
    }
}

/// How every section begins.
const FIRST_MEMBER: &str = "{\"at\":";

/// Checks a chain, a link a line. Answers a sentence.
fn verify(lines: impl BufRead, noted: Option<Head>) -> anyhow::Result<String> {
    let (mut checker, mut count, had_noted) = (None, 0, noted.is_some());
    let mut noted = noted;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.context("it cannot be read to its end")?;
        let link: Link = serde_json::from_str(&line).with_context(|| format!("line {number} is no link of a chain; is it whole?"))?;
        let checker = checker.get_or_insert_with(|| Checker::new(link.root_id, noted.take()));
        checker.follow(&link).with_context(|| format!("the chain is broken at line {number}"))?;
        count += 1;
    }
    let Some(checker) = checker else { bail!("it is empty; `keywright audit export` prints a chain") };
    let Whole { head, pruned, noted_was_pruned } = checker.end().context("the chain is broken")?;
    let head = head.context("it has no end")?;
    let mut told = format!("whole: {count} links, up to {head}");
    if pruned > 0 {
        told += &format!("; {pruned} older ones were removed when their time was over");
    }
    told += match (had_noted, noted_was_pruned) {
        (true, true) => "; the noted link is among those, and could not be compared",
        (true, false) => "; the noted link is in it",
        (false, _) => "; note that end somewhere else, and give it to --head next time",
    };
    Ok(told)
}
