//! `keywright backup` and `keywright restore`.

use crate::Place;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keywright_core::{
    age::{Identity, Recipient},
    recovery::{Later, Section},
};
use keywright_protocol::Clock;
use keywright_server::{
    backup::{back_up, restore},
    config::Flags,
    data_dir::write_private_new,
};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How a backup key begins.
const IDENTITY: &str = "AGE-SECRET-KEY-1";

/// What `keywright backup` takes.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    #[command(flatten)]
    place: Place,
    /// File to write; - for the standard output
    #[arg(long)]
    output: Option<PathBuf>,
    /// For whom it is encrypted: age1…, as `keywright backup key` prints it; repeat it for several. Without it those of backup.recipients
    #[arg(long = "recipient")]
    recipients: Vec<String>,
}

#[derive(Subcommand)]
enum BackupCommand {
    /// Make a key that opens backups, and print the recipient that belongs to it. Keep the key away from this machine
    Key {
        /// File to write the key to
        #[arg(long)]
        output: PathBuf,
    },
}

/// What `keywright restore` takes.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The backup; - for the standard input
    backup: PathBuf,
    /// File with the key that opens it
    #[arg(long)]
    key: PathBuf,
    /// Folder to restore into; empty, or not there yet
    #[arg(long)]
    data_dir: PathBuf,
    /// What was taken away since: the file that `keywright audit revocations` writes
    #[arg(long, conflicts_with = "accept_lost_revocations")]
    revocations: Option<PathBuf>,
    /// Nobody knows what was taken away since: keys that were revoked after the backup live again, and all access tokens die
    #[arg(long)]
    accept_lost_revocations: bool,
}

pub(crate) async fn back_up_or_make_key(args: BackupArgs) -> anyhow::Result<()> {
    if let Some(BackupCommand::Key { output }) = args.command {
        return make_key(&output);
    }
    let Some(output) = args.output else { bail!("name the file to write with --output; - is the standard output") };
    let config = args.place.load(Flags::default())?;
    // What is none is not repeated: it may be a key.
    let recipients: Vec<Recipient> = args.recipients.iter().map(|text| text.parse().context("--recipient")).collect::<Result<_, _>>()?;
    let recipients = if recipients.is_empty() { config.backup.recipients()? } else { recipients };
    let told = back_up(&config.data_dir, &output, recipients, &Clock::System).await?;
    let position = told.position.map(|position| position.to_string()).unwrap_or_default();
    // The standard output may be the backup.
    eprintln!("backed up {} at position {position} to {}", config.data_dir.display(), output.display());
    Ok(())
}

fn make_key(output: &Path) -> anyhow::Result<()> {
    let identity = Identity::generate()?;
    let recipient = identity.recipient()?;
    let text = Zeroizing::new(format!("# Opens the backups of Keywright that are made for {recipient}\n{}\n", identity.to_text()?.as_str()));
    write_private_new(output, &text).with_context(|| format!("{} cannot be written", output.display()))?;
    println!("{recipient}");
    Ok(())
}

pub(crate) async fn restore_into(args: RestoreArgs) -> anyhow::Result<()> {
    for file in [Some(&args.backup), Some(&args.key), args.revocations.as_ref()].into_iter().flatten() {
        if file.to_string_lossy().to_ascii_uppercase().contains(IDENTITY) {
            bail!("a backup key stands where a file's name belongs; write it into a file, name that, and use another key if others may have seen this one");
        }
    }
    let later = match (&args.revocations, args.accept_lost_revocations) {
        (Some(file), _) => Later::Known(read_revocations(file)?),
        (None, true) => Later::Lost,
        (None, false) => bail!(
            "what was taken away after the backup must not come back: give the file that `keywright audit revocations` wrote with --revocations, \
             or, if there is none, --accept-lost-revocations"
        ),
    };
    let text = std::fs::read_to_string(&args.key).map(Zeroizing::new).with_context(|| format!("{} cannot be read", args.key.display()))?;
    let identity = Identity::parse(&text).with_context(|| args.key.display().to_string())?;
    let (manifest, restored) = restore(&args.backup, identity, &args.data_dir, later, &Clock::System).await?;
    println!("restored {}, as it was at position {} on {}", args.data_dir.display(), restored.backup, manifest.at);
    match restored.known_to {
        Some((to, at)) => println!("what was taken away up to position {to} on {at} is taken away again: {} keys, people or organizations", restored.narrowed),
        None => println!("what was taken away since is not known: look through keys and members; all access tokens are dead"),
    }
    println!("everybody signs in again; pending invitations and links for passwords are to be sent anew, webhooks to be resumed");
    println!("configuration and catalog file are no part of a backup; go on with: keywright serve --data-dir {}", args.data_dir.display());
    Ok(())
}

/// The sections in a file, one a line.
pub(crate) fn read_revocations(file: &Path) -> anyhow::Result<Vec<Section>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let told = |number: usize| format!("line {number} of {} is no section of a log of revocations; is it whole?", file.display());
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(|(at, line)| serde_json::from_str(line).with_context(|| told(at + 1))).collect()
}
