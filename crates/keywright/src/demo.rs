//! `keywright demo`: everything, with sample data, in a fresh folder.

mod verifiers;

use crate::serve::{mount, open};
use anyhow::{Context as _, bail};
use clap::Args;
use keywright_core::{Actor, Context, Core, PersonActor, demo, demo::DemoWorld, passwords, sessions::SignIn};
use keywright_distribution::demo::{DemoOrganizations, seed};
use keywright_protocol::{
    Clock, OrganizationId, UserId,
    admin::{AdminReply, AdminRequest},
};
use keywright_server::{
    Demo as Offer, DemoPerson, DemoVerifier,
    config::{CatalogFrom, Config, Cors, Limits},
    data_dir::{self, DataDir},
    logging, run,
    tasks::EndSignals,
};
use serde_json::{Map, Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whom the console signs in without a password.
const SIGNED_IN_BY_ONE_CLICK: [&str; 3] = ["owner", "manager", "viewer"];

/// What the demo takes; all of it may be left out.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder to keep the data in; must be empty. Without it a temporary one, removed at the end
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// PostgreSQL, as postgres://user@host/database; the database must be empty. Others join it with `keywright serve`
    #[arg(long)]
    database_url: Option<String>,
    /// Write everything that was made as JSON into this file (mode 0600)
    #[arg(long)]
    credentials_file: Option<PathBuf>,
    /// Origin whose pages may call this server, such as http://127.0.0.1:8081; repeat it for several
    #[arg(long = "allow-origin")]
    allow_origins: Vec<String>,
    /// Sign-ins, changes of passwords and uses of links that an address has in a minute; more is for tests that sign in all the time
    #[arg(long, default_value_t = Limits::default().sign_in_per_minute, value_parser = clap::value_parser!(u32).range(1..=i64::from(Limits::MOST)))]
    sign_ins_per_minute: u32,
}

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    // From here on, so that the temporary folder goes whenever the demo is asked to end.
    let signals = EndSignals::take().context("signals cannot be taken over")?;
    let temporary = match &args.data_dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("keywright-demo-").tempdir().context("no temporary folder can be made")?),
    };
    let folder = match (&args.data_dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => anyhow::bail!("there is no folder"),
    };
    let mut config = Config { listen: args.listen, catalog: CatalogFrom { preset: Some("appcircle".to_owned()), file: None }, ..Config::default() };
    // The demo is what is measured; guessing is limited in it as anywhere.
    config.limits = config.limits.out_of_reach_for_keys();
    (config.limits.sign_in_per_minute, config.limits.sign_in_burst) = (args.sign_ins_per_minute, args.sign_ins_per_minute);
    config.cors = Cors { origins: args.allow_origins.clone() };
    config.log.level = "warn".to_owned();
    config.database.url = args.database_url.clone();
    logging::start(&config.log);
    config.check_transport(config.listen.ip())?;
    DataDir::check_empty(&folder)?;
    let data_dir = config.database.take(&folder)?;
    if config.database.is_shared() && Core::issuer_of(&config.database.identity(&data_dir)).await?.is_some() {
        bail!("the database is not empty, and the demo makes its own data; name an empty one, or join what serves this one with keywright serve");
    }
    let prepared = run::prepare(config, data_dir, Clock::System).await?;
    let core = Arc::clone(&prepared.core);
    let served = serve(prepared, &args, &folder, signals).await;
    // As in `serve`.
    core.close().await;
    served
}

async fn serve(prepared: run::Prepared, args: &DemoArgs, folder: &Path, signals: EndSignals) -> anyhow::Result<()> {
    let now = prepared.core.clock().now();
    let world = demo::build(&prepared.core, &Context::system(now)?).await?;
    let distribution = open(&prepared).await?;
    let organizations = DemoOrganizations { root: world.acme.id, sub: world.mobile.id, other: world.globex.id };
    seed(&distribution, organizations, now).await?;

    let base = prepared.core.issuer().to_owned();
    let address = prepared.address;
    let mounted = mount(&distribution, &prepared.app)?;
    let person = |(part, user): (&&str, &demo::DemoUser)| DemoPerson { part: (*part).to_owned(), email: user.email.clone(), password: user.password.clone() };
    let mut people: Vec<DemoPerson> = world.users.iter().filter(|(part, _)| SIGNED_IN_BY_ONE_CLICK.contains(part)).map(person).collect();
    let operator = operator(&prepared.core).await?;
    people.push(DemoPerson { part: operator.1.part.clone(), email: operator.1.email.clone(), password: operator.1.password.clone() });
    let switches = verifiers::switches();
    let verifiers = switches.iter().map(|(name, runs)| DemoVerifier { name: (*name).to_owned(), runs: runs.clone() }).collect();
    prepared.app.offer_demo(Offer { people, verifiers });
    let running = prepared.start(vec![mounted])?;
    if let Some(path) = &args.credentials_file {
        let text = serde_json::to_string_pretty(&credentials(&base, &world, &operator))?;
        data_dir::write_private(path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if args.data_dir.is_some() {
        let path = folder.join("keywright.toml");
        data_dir::write_private(&path, &configuration((&base, address), folder, args.database_url.as_deref()))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let addresses = verifiers::run(&base, &switches).await?;
    println!("{}", introduction(&base, &world, folder, &addresses));
    running.until_asked_to_end(signals).await?;
    distribution.close().await;
    Ok(())
}

/// The first Owner of the operator organization, with a password of his own.
async fn operator(core: &Arc<Core>) -> anyhow::Result<((OrganizationId, UserId), DemoPerson)> {
    const EMAIL: &str = "operator@operator.example";
    let host = Context::system(core.clock().now())?;
    let AdminReply::Bootstrapped { organization_id, user_id, one_time_password } =
        core.administer(&host, AdminRequest::Bootstrap { owner_email: EMAIL.to_owned() }).await
    else {
        bail!("the operator organization cannot be made");
    };
    let password = passwords::generate()?;
    let anybody = Context { actor: Actor::Anonymous, ..host };
    let attempt = SignIn { email: EMAIL.to_owned(), password: one_time_password.into(), organization: None, new_password: Some(password.clone()), code: None };
    let begun = core.sign_in(&anybody, attempt).await?.value;
    // The session was for the password alone.
    let session = core.find_session(anybody.now, begun.secret.reveal()).await?;
    let person = PersonActor { user_id: session.user_id, session_id: session.id, confirmed_at: session.confirmed_at };
    core.end_session(&Context { actor: Actor::Person(person), ..anybody }, session.id).await?;
    Ok(((organization_id, user_id), DemoPerson { part: "operator".to_owned(), email: EMAIL.to_owned(), password }))
}

/// What `keywright serve` needs to go on with a folder that the demo filled.
fn configuration((base, address): (&str, SocketAddr), folder: &std::path::Path, database_url: Option<&str>) -> String {
    let database = database_url.map(|url| format!("[database]\nurl = {url:?}\n\n")).unwrap_or_default();
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    format!(
        "# Goes on with the demo's data: keywright serve --config keywright.toml
public_url = \"{base}\"
listen = \"{address}\"
data_dir = {folder:?}

{database}[catalog]
preset = \"appcircle\"

[distribution]
enabled = true
"
    )
}

/// Everything that was made; this shape is kept stable.
fn credentials(base: &str, world: &DemoWorld, operator: &((OrganizationId, UserId), DemoPerson)) -> Value {
    let organization = |of: &demo::DemoOrganization| json!({ "id": of.id, "name": of.name });
    let users: Map<String, Value> = world
        .users
        .iter()
        .map(|(part, user)| ((*part).to_owned(), json!({ "id": user.id, "email": user.email, "password": user.password.as_str() })))
        .collect();
    let keys: Map<String, Value> = world.personal_access_keys.iter().map(|(label, key)| ((*label).to_owned(), json!(key.as_str()))).collect();
    let api_keys: Map<String, Value> =
        world.api_keys.iter().map(|(label, key)| ((*label).to_owned(), json!({ "id": key.id, "name": key.name, "secret": key.secret.as_str() }))).collect();
    json!({
        "authUrl": base,
        "apiUrl": base,
        "consoleUrl": base,
        "rootOrganization": organization(&world.acme),
        "subOrganization": organization(&world.mobile),
        "otherOrganization": organization(&world.globex),
        "users": users,
        "personalAccessKeys": keys,
        "apiKeys": api_keys,
        "operator": { "id": operator.0.1, "organizationId": operator.0.0, "email": operator.1.email, "password": operator.1.password.as_str() },
    })
}

/// What the guide's lines take.
fn variables(world: &DemoWorld) -> String {
    let (owner, ci) = (world.users.get("owner"), world.api_keys.get("acme-ci"));
    let values = [
        ("KEY", world.personal_access_keys.get("owner").map_or("", |key| key.as_str()).to_owned()),
        ("SECRET", ci.map_or("", |key| key.secret.as_str()).to_owned()),
        ("EMAIL", owner.map_or("", |user| user.email.as_str()).to_owned()),
        ("PASSWORD", owner.map_or("", |user| user.password.as_str()).to_owned()),
        ("ORG", world.acme.id.to_string()),
        ("SUB", world.mobile.id.to_string()),
        ("VIEWER", world.users.get("viewer").map(|user| user.id.to_string()).unwrap_or_default()),
    ];
    values.iter().fold("export".to_owned(), |line, (name, value)| format!("{line} {name}='{value}'"))
}

fn introduction(base: &str, world: &DemoWorld, folder: &std::path::Path, verifiers: &[(&str, SocketAddr)]) -> String {
    let key = |label: &str| world.personal_access_keys.get(label).map_or("", |key| key.as_str());
    let api_key = |label: &str| world.api_keys.get(label).map_or("", |key| key.secret.as_str());
    let owner = world.users.get("owner");
    let form = "-H \"accept: application/json\" -H \"Content-Type: application/x-www-form-urlencoded\"";
    let mut text = format!(
        "Keywright is listening on {base} (data in {folder})

1. Exchange a Personal Access Key for an access token:
curl -X POST \"{base}/auth/v3/token\" {form} -d \"personalAccessKey={owner}\"

2. Call an API with the token that came back as access_token:
curl -X GET \"{base}/distribution/v2/profiles\" -H \"accept: application/json\" -H \"Authorization: <the token>\"

Both at once:
TOKEN=$(curl -s -X POST \"{base}/auth/v3/token\" -d \"personalAccessKey={owner}\" | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
curl -s \"{base}/distribution/v2/profiles\" -H \"Authorization: $TOKEN\"

By the OAuth standards, an API Key as a client (more: docs/OAUTH.md):
curl -s \"{base}/oauth/token\" -u \"acme-ci:{ci}\" -d grant_type=client_credentials

An API Key of the organization, as the vendor's clients send it:
curl -X POST \"{base}/auth/v1/api-key/token\" {form} -d \"name=acme-ci&secret={ci}\"

The owner's key for the sub-organization:
curl -X POST \"{base}/auth/v3/token\" {form} -d \"personalAccessKey={owner}&subOrganization={sub}\"

The owner signs in; what comes back as sessionToken may make keys at /identity/v1/organizations/current/personal-access-keys:
curl -X POST \"{base}/auth/v1/sessions\" --json '{{\"email\":\"{email}\",\"password\":\"{password}\"}}'

From a shell, with one of the keys below at the prompt:
keywright login --url {base}
keywright whoami

Console: {base}/console (sign in as the owner by one click)
API documentation: {base}/openapi/index.html
The guide: {base}/docs
Its lines can be pasted after this one:
{variables}

Organizations:
  {acme}  {acme_id}
  {mobile}  {sub}  (sub-organization of {acme})
  {globex}  {globex_id}
Personal Access Keys:
",
        folder = folder.display(),
        owner = key("owner"),
        email = owner.map_or("", |user| user.email.as_str()),
        password = owner.map_or("", |user| user.password.as_str()),
        ci = api_key("acme-ci"),
        variables = variables(world),
        sub = world.mobile.id,
        acme = world.acme.name,
        acme_id = world.acme.id,
        mobile = world.mobile.name,
        globex = world.globex.name,
        globex_id = world.globex.id,
    );
    for (label, key) in &world.personal_access_keys {
        text.push_str(&format!("  {label:<16}{}\n", key.as_str()));
    }
    text.push_str("API Keys:\n");
    for (label, key) in &world.api_keys {
        text.push_str(&format!("  {label:<16}{}\n", key.secret.as_str()));
    }
    text.push_str("Verifiers, which the console stops and starts; a token goes as JSON {\"token\": \"...\"} to /verify:\n");
    for (name, address) in verifiers {
        text.push_str(&format!("  {name:<16}http://{address}/verify\n"));
    }
    text.push_str("\nCtrl-C ends it.");
    text
}
