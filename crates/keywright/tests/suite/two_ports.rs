//! `keywright distribution`: a resource server that knows the issuer only by its URL.

use crate::{
    admin::OwnerKey,
    demo::{Demo, names, of_acme},
    http::{client, exchange, exchange_for, get_with, token_of, try_send},
    process::{PRESET, Place, Server, shell, until},
};
use std::net::TcpListener;

const PROFILES: &str = "/distribution/v2/profiles";

async fn distribution(place: &Place, issuer: &str, more: &[&str]) -> Server {
    let data = place.text("distribution");
    let arguments = [&["distribution", "--issuer", issuer, "--listen", "127.0.0.1:0", "--data-dir", &data], more].concat();
    Server::listening(place.start(&arguments, &[])).await
}

#[tokio::test]
async fn the_same_lines_work_with_the_host_replaced() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let beside = distribution(&place, &demo.base, &["--demo-credentials", &demo.credentials_file]).await;
    assert_ne!(beside.base, demo.base);

    let (make, use_it) = demo.both_at_once();
    assert_eq!(names(&shell(&format!("{make}\n{}", use_it.replace(&demo.base, &beside.base))).await), of_acme());
    let call = demo.lines("curl ").into_iter().find(|line| line.contains(PROFILES)).unwrap().replace(&demo.base, &beside.base);
    let token = exchange(&demo.base, &demo.key("owner")).await;
    assert_eq!(names(&shell(&call.replace("<the token>", &token)).await), of_acme());
    let in_sub = token_of(&exchange_for(&demo.base, &demo.key("owner"), &demo.id("subOrganization")).await);
    assert_eq!(names(&get_with(&beside.base, PROFILES, &in_sub).await.text).len(), 1);
    let refused = get_with(&beside.base, PROFILES, "x").await;
    let page = format!("\"doc\":\"{}/openapi/index.html?urls.primaryName=distribution\"", beside.base);
    assert!(refused.text.contains(&page), "it has no guide: {}", refused.text);
    beside.end().await;

    // Once more on the same folder: the profiles are there already, and the lines still work.
    let again = distribution(&place, &demo.base, &["--demo-credentials", &demo.credentials_file]).await;
    assert_eq!(names(&get_with(&again.base, PROFILES, &token).await.text), of_acme());
}

#[tokio::test]
async fn it_goes_on_deciding_when_the_issuer_is_gone() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let beside = distribution(&place, &demo.base, &["--demo-credentials", &demo.credentials_file]).await;
    let seen = exchange(&demo.base, &demo.key("owner")).await;
    let unseen = exchange(&demo.base, &demo.key("viewer")).await;
    assert_eq!(names(&get_with(&beside.base, PROFILES, &seen).await.text), of_acme());

    demo.program.end().await.succeeded();
    for (token, which) in [(&seen, "seen"), (&unseen, "not seen")] {
        let answer = get_with(&beside.base, PROFILES, token).await;
        assert_eq!(answer.status, 200, "{which} before: {answer:?}");
        assert_eq!(names(&answer.text), of_acme());
    }
    // The claims of one under the signature of the other.
    let (claims, signature) = (unseen.rsplit_once('.').unwrap().0, seen.rsplit_once('.').unwrap().1);
    assert_eq!(get_with(&beside.base, PROFILES, &format!("{claims}.{signature}")).await.status, 401);
}

#[tokio::test]
async fn an_issuer_that_comes_later_is_waited_for_and_no_token_is_called_bad_meanwhile() {
    let place = Place::new();
    // A port that is free again, so that the issuer has the same URL at each start.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (issuer, data) = (format!("http://{address}"), place.data());
    let arguments = ["serve", "--listen", &address, "--data-dir", &data];
    let first = Server::listening(place.start(&arguments, &[PRESET])).await;
    let token = exchange(&issuer, &OwnerKey::make(&place).await.secret).await;
    first.end().await;

    let beside = distribution(&place, &issuer, &[]).await;
    let answer = get_with(&beside.base, PROFILES, &token).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    let ready = client().get(format!("{}/readyz", beside.base));
    let not_ready = try_send(ready.try_clone().unwrap()).await.unwrap();
    assert!(not_ready.status == 503 && not_ready.text.contains(&format!("the keys of the issuer {issuer} cannot be fetched")), "{not_ready:?}");

    let second = Server::listening(place.start(&arguments, &[PRESET])).await;
    let answer = until("the issuer's keys are fetched", async || {
        let answer = get_with(&beside.base, PROFILES, &token).await;
        assert_ne!(answer.status, 401, "{answer:?}");
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(names(&answer.text).is_empty());
    until("it is ready", async || (try_send(ready.try_clone().unwrap()).await.unwrap().status == 200).then_some(())).await;
    second.end().await;
    let log = beside.program.end().await.log;
    assert_eq!(log.matches("tokens cannot be judged, and are answered 503").count(), 1, "{log}");
}
