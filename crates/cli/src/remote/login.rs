//! `keywright login` and `logout`.

use super::{
    Common, Connection, Failure,
    connection::{client, credential},
    environment::{self, Environment},
    organization,
    output::Output,
    profiles::{Credential, Over, Profile, Store},
    secrets,
    tokens::Tokens,
};
use clap::Args;
use keywright_client::SignIn;
use keywright_protocol::{Clock, identity::MeBody};
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

const PASSWORD_MUST_CHANGE: &str = "password_must_change";
const SECOND_FACTOR_REQUIRED: &str = "second_factor_required";

/// What login takes. The secret itself is no argument: arguments stand in the list of processes and in the shell's history.
#[derive(Debug, Args)]
pub struct LoginArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// URL of the server
    #[arg(long, env = "KEYWRIGHT_URL")]
    url: String,
    /// Sign in as this person, with the password; without it a key is asked for
    #[arg(long)]
    email: Option<String>,
    /// Read the key from standard input
    #[arg(long, conflicts_with = "email")]
    key_stdin: bool,
    /// Read the password from standard input; a second line is the password to have instead of a one-time password, a third one the code of a
    /// second factor
    #[arg(long, requires = "email")]
    password_stdin: bool,
    /// Work in this organization, by its id or its name; without it in the first of one's own
    #[arg(long = "org", value_name = "ID|NAME", requires = "email")]
    organization: Option<String>,
    /// Send keys and passwords over plain HTTP to another machine
    #[arg(long)]
    insecure_http: bool,
}

pub(super) async fn login(args: LoginArgs, environment: &Environment) -> Result<(), Failure> {
    let store = Store::of(environment)?;
    let over = if args.insecure_http { Over::PlainHttp } else { Over::Tls };
    let url = args.url.trim_end_matches('/').to_owned();
    let client = client(&url, over)?;
    let credential = match &args.email {
        Some(email) => sign_in(&client, email, &args).await?,
        None => credential(&key(&args, environment)?)?,
    };
    let issuer = client.metadata().await?.issuer;
    let name = args.common.profile_name();
    // What was kept under this name before goes, its tokens too.
    let before = store.find(&name)?;
    Tokens::of(&store, &name).forget()?;
    let profile = Profile { url, over, issuer, credential };
    let is_session = matches!(profile.credential, Credential::Session { .. });
    if is_session {
        store.keep(&name, profile.clone())?;
    }
    let mut connection = Connection::with(profile.clone(), is_session.then(|| (store.clone(), name.clone())))?;
    if let Some(organization) = &args.organization {
        let id = organization::find(&mut connection, organization).await?;
        connection.ask(async |caller| caller.switch_organization(id).await).await?;
    }
    let me = match connection.ask(async |caller| caller.me().await).await {
        Ok(me) => Some(me),
        // A key for other APIs alone is a good one.
        Err(failure) if failure.is_about_nothing_granted() => None,
        Err(failure) => return Err(failure),
    };
    end_session(before.as_ref()).await;
    if !is_session {
        store.keep(&name, profile.clone())?;
    }
    match me {
        Some(me) => told(&args.common.output(), &name, &profile, &me, &store),
        None => told_of_key(&args.common.output(), &name, &profile, &store),
    }
}

fn told_of_key(output: &Output, name: &str, profile: &Profile, store: &Store) -> Result<(), Failure> {
    let value = json!({ "profile": name, "url": profile.url, "issuer": profile.issuer, "credential": profile.credential.kind() });
    let sentence = format!(
        "the {} for {} is kept in {}; it may do nothing at the server itself, so that it is for tokens: keywright token, with --for if your API is not the default one",
        profile.credential.kind(),
        profile.url,
        store.file().display()
    );
    output.done(&value, &sentence)
}

fn told(output: &Output, name: &str, profile: &Profile, me: &MeBody, store: &Store) -> Result<(), Failure> {
    let value = json!({ "profile": name, "url": profile.url, "issuer": profile.issuer, "credential": profile.credential.kind(), "email": me.email,
        "organization": { "id": me.organization.id, "name": me.organization.name } });
    let sentence = format!(
        "signed in at {} as {} in {}; the {} is kept in {}",
        profile.url,
        me.email,
        me.organization.name,
        profile.credential.kind(),
        store.file().display()
    );
    output.done(&value, &sentence)
}

fn key(args: &LoginArgs, environment: &Environment) -> Result<Zeroizing<String>, Failure> {
    match (&environment.key, args.key_stdin) {
        (_, true) => secrets::ask("Key", secrets::From::StandardInput, ""),
        (Some(key), false) => Ok(key.clone()),
        (None, false) => {
            let instead = format!("give it with --key-stdin or in {}, or sign in with --email", environment::KEY);
            secrets::ask("Key", secrets::From::Prompt, &instead)
        }
    }
}

/// What a person gives to sign in.
struct Given {
    password: Zeroizing<String>,
    /// The one to have from now on.
    new: Option<Zeroizing<String>>,
    /// Of the second factor.
    code: Option<Zeroizing<String>>,
}

fn given(args: &LoginArgs) -> Result<Given, Failure> {
    if !args.password_stdin {
        return Ok(Given { password: secrets::ask("Password", secrets::From::Prompt, "give it with --password-stdin")?, new: None, code: None });
    }
    let text = secrets::standard_input("password")?;
    let mut lines = text.lines().map(|line| Some(line).filter(|line| !line.is_empty()).map(|line| Zeroizing::new(line.to_owned())));
    let password = lines.next().flatten().ok_or_else(|| Failure::usage("the password is empty"))?;
    Ok(Given { password, new: lines.next().flatten(), code: lines.next().flatten() })
}

/// Signs a person in. A one-time password is changed on the way, and the code of a second factor is asked for when there is one.
async fn sign_in(client: &keywright_client::Client, email: &str, args: &LoginArgs) -> Result<Credential, Failure> {
    let mut given = given(args)?;
    let begun = loop {
        let new_password = given.new.as_deref().map(String::as_str);
        let who = SignIn { email, password: &given.password, organization: None, new_password, code: given.code.as_deref().map(String::as_str) };
        match client.sign_in(who).await {
            Err(error) if error.code() == Some(PASSWORD_MUST_CHANGE) && !args.password_stdin && given.new.is_none() => {
                given.new = Some(secrets::ask("New password", secrets::From::Prompt, "")?);
            }
            Err(error) if error.code() == Some(SECOND_FACTOR_REQUIRED) && given.code.is_none() => {
                if args.password_stdin {
                    return Err(Failure::from(error).hinting("with --password-stdin the code is the third line; leave the second one empty"));
                }
                given.code = Some(secrets::ask("Code", secrets::From::Prompt, "")?);
            }
            begun => break begun?,
        }
    };
    let lives = Duration::from_secs(begun.expires_in.try_into().unwrap_or_default());
    Ok(Credential::Session { secret: begun.session_token, expires_at: Clock::System.now().plus(lives) })
}

/// Ends the session that a profile had before. It would end by itself too, so that nobody is told if that does not work.
async fn end_session(before: Option<&Profile>) {
    if let Some(Profile { url, over, credential: Credential::Session { secret, .. }, .. }) = before
        && let Ok(client) = client(url, *over)
    {
        drop(client.with_token(secret).sign_out().await);
    }
}

pub(super) async fn logout(common: &Common, environment: &Environment) -> Result<(), Failure> {
    let store = Store::of(environment)?;
    let name = common.profile_name();
    let output = common.output();
    let profile = store.find(&name)?;
    Tokens::of(&store, &name).forget()?;
    store.forget(&name)?;
    let Some(profile) = profile else { return output.done(&json!({ "profile": name, "forgotten": false }), "you were not signed in") };
    let forgotten = json!({ "profile": name, "forgotten": true });
    let Credential::Session { secret, .. } = &profile.credential else {
        return output.done(&forgotten, "the key is forgotten here; it goes on working until it is revoked");
    };
    match client(&profile.url, profile.over)?.with_token(secret).sign_out().await {
        Ok(()) => output.done(&forgotten, "signed out; the session has ended"),
        Err(error) if error.status() == Some(401) => output.done(&forgotten, "signed out; the session had ended before"),
        Err(error) => Err(Failure::from(error).hinting("the session is forgotten here, and ends by itself when it has not been used for 12 hours")),
    }
}
