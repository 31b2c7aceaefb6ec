//! `keywright audit`: the chain of the logs, exported and checked.

use crate::{Place, admin::ask};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use keywright_cli::admin::{Format, render};
use keywright_core::log::chain::{Checker, Head, Link, Whole};
use keywright_protocol::{
    OrganizationId,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::config::{Config, Flags};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write, stdin, stdout},
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
