//! What breaks off leaves nothing, and nobody clears away what is somebody's.

use crate::{
    common::{OPERATOR, World},
    uploads::{rows, versions},
};
use axum::{
    body::{Body, Bytes},
    http::Request,
};
use keywright_db::{Db, Writes};
use keywright_distribution::{Distribution, FileSettings, MIGRATIONS};
use std::{io, task::Poll, time::Duration};
use tokio::sync::mpsc;
use uuid::Uuid;

keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS;
    a_body_that_breaks_off_leaves_nothing,
    it_is_gone_at_once_and_not_only_at_the_next_pass,
    a_body_that_goes_on_is_refused_before_it_ends,
    whoever_is_dropped_in_the_middle_leaves_nothing,
    whoever_is_dropped_anywhere_leaves_nothing,
    somebody_elses_start_leaves_alone_who_is_alive,
    what_a_crash_leaves_goes_at_the_next_start,
    a_loose_row_goes_when_its_file_was_never_made,
    no_more_than_two_send_to_one_url,
);

/// A body that its test sends piece by piece.
fn body() -> (mpsc::UnboundedSender<Result<Bytes, io::Error>>, Body) {
    let (sender, mut pieces) = mpsc::unbounded_channel();
    (sender, Body::from_stream(futures_util::stream::poll_fn(move |context| pieces.poll_recv(context))))
}

fn broken() -> Result<Bytes, io::Error> {
    Err(io::ErrorKind::ConnectionReset.into())
}

async fn a_body_that_breaks_off_leaves_nothing(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 10).await;
    for pieces in 0..3 {
        let (sender, sent) = body();
        (0..pieces).for_each(|_| sender.send(Ok(Bytes::from_static(b"abc"))).unwrap());
        sender.send(broken()).unwrap();
        drop(sender);
        world.put(&url, sent).await.fails(400, "invalid_request");
        let (sender, sent) = body();
        sender.send(Ok(Bytes::from_static(b"--b0und\r\nContent-Disposition: form-data; name=File; filename=a\r\n\r\n"))).unwrap();
        (0..pieces).for_each(|_| sender.send(Ok(Bytes::from(vec![1; 1000]))).unwrap());
        sender.send(broken()).unwrap();
        drop(sender);
        let request = Request::post(versions(&profile)).header("authorization", world.token(crate::common::ACME, OPERATOR));
        let request = request.header("content-type", "multipart/form-data; boundary=b0und").body(sent).unwrap();
        world.send(request).await.fails(400, "invalid_request");
    }
    world.distribution.tidy().await;
    assert_eq!((world.files().len(), rows(&db).await), (0, 1), "the reservation alone is there");
    // Whoever lost his connection tries again.
    world.put(&url, "0123456789").await.good();
    world.commit(&profile, &file).await.good();
    assert_eq!((world.files().len(), rows(&db).await), (1, 0));
}

async fn it_is_gone_at_once_and_not_only_at_the_next_pass(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    world.distribution.tidy().await;
    let (_, url) = world.ask(&profile, 10).await;
    let (sender, sent) = body();
    sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    sender.send(broken()).unwrap();
    drop(sender);
    world.put(&url, sent).await.fails(400, "invalid_request");
    let gone = async {
        while !world.files().is_empty() || rows(&db).await > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("long before the next pass");
}

/// Reddens when a body is read to its end although it is too long already.
async fn a_body_that_goes_on_is_refused_before_it_ends(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (_, url) = world.ask(&profile, 5).await;
    let (sender, sent) = body();
    sender.send(Ok(Bytes::from_static(b"hello!"))).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), world.put(&url, sent)).await;
    answer.expect("an answer while the body goes on").fails(400, "wrong_length");
    drop(sender);
}

/// Reddens when there is a moment in which a row or a file is made that nobody answers for.
async fn whoever_is_dropped_anywhere_leaves_nothing(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    for polls in 0..40 {
        let mut senders = Vec::new();
        let mut several: Vec<_> = (0..4)
            .map(|_| {
                let (sender, sent) = body();
                sender.send(Ok(Bytes::from_static(b"--b0und\r\nContent-Disposition: form-data; name=File; filename=a\r\n\r\nabc"))).unwrap();
                senders.push(sender);
                let request = Request::post(versions(&profile)).header("authorization", world.token(crate::common::ACME, OPERATOR));
                Box::pin(world.send(request.header("content-type", "multipart/form-data; boundary=b0und").body(sent).unwrap()))
            })
            .collect();
        let mut left = polls;
        let given_up = std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            assert!(several.iter_mut().all(|sending| sending.as_mut().poll(context).is_pending()));
            Poll::Pending
        });
        // The last ones wait for their bodies.
        let _ = tokio::time::timeout(Duration::from_millis(20), given_up).await;
    }
    world.distribution.tidy().await;
    assert_eq!((world.files().len(), rows(&db).await), (0, 0));
}

async fn whoever_is_dropped_in_the_middle_leaves_nothing(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let (_, url) = world.ask(&profile, 10).await;
    let (sender, sent) = body();
    sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    {
        let put = world.put(&url, sent);
        tokio::pin!(put);
        let there = async {
            while world.files().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = &mut put => panic!("it is answered"),
            () = there => {}
        }
    }
    world.distribution.tidy().await;
    assert_eq!((world.files().len(), rows(&db).await), (0, 1));
}

async fn somebody_elses_start_leaves_alone_who_is_alive(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 6).await;
    let (sender, sent) = body();
    sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    let meanwhile = async {
        while world.files().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let settings = FileSettings { folder: world.folder.path().to_owned(), max_bytes: 1000 };
        let other = Distribution::over(db.clone(), &settings, world.clock.clone()).unwrap();
        other.tidy().await;
        world.clock.advance(Duration::from_secs(3 * 3600));
        other.tidy().await;
        assert_eq!(world.files().len(), 1);
        sender.send(Ok(Bytes::from_static(b"def"))).unwrap();
        drop(sender);
    };
    let (answer, ()) = tokio::join!(world.put(&url, sent), meanwhile);
    answer.good();
    world.commit(&profile, &file).await.good();
}

async fn loosen(db: &Db, world: &World, file: Uuid) {
    let now = world.clock.now();
    let sql = "INSERT INTO loose_files (id, organization_id, noted_at, doomed_at) VALUES ($1, $1, $2, NULL)";
    let insert = db.write(move |tx| Box::pin(async move { tx.execute_one(sql, &[file.into(), now.into()]).await }));
    insert.await.map_err(|error: keywright_db::StoreError| format!("{error:?}")).unwrap();
}

async fn what_a_crash_leaves_goes_at_the_next_start(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    world.form(&profile, "a.ipa", b"hello").await.good();
    let kept = world.files();
    // As a process leaves it that was killed: a row, a file that nobody holds, and something that is none of ours.
    let file = Uuid::from_u128(0xabcd << 112);
    let shelf = world.folder.path().join("ab");
    std::fs::create_dir_all(&shelf).unwrap();
    std::fs::write(shelf.join(file.simple().to_string()), "half").unwrap();
    std::fs::write(shelf.join("theirs"), "not ours").unwrap();
    loosen(&db, &world, file).await;
    let settings = FileSettings { folder: world.folder.path().to_owned(), max_bytes: 1000 };
    let next = Distribution::over(db.clone(), &settings, world.clock.clone()).unwrap();
    next.tidy().await;
    let left = world.files();
    assert!(left.contains(&kept[0]) && left.contains(&shelf.join("theirs")) && left.len() == 2, "{left:?}");
    assert_eq!(rows(&db).await, 0);
}

async fn a_loose_row_goes_when_its_file_was_never_made(db: Db) {
    let world = World::new(db.clone());
    loosen(&db, &world, Uuid::from_u128(1)).await;
    world.distribution.tidy().await;
    assert_eq!(rows(&db).await, 1, "somebody may be about to make it");
    world.clock.advance(Duration::from_secs(61));
    world.distribution.tidy().await;
    assert_eq!(rows(&db).await, 0);
}

async fn no_more_than_two_send_to_one_url(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (_, url) = world.ask(&profile, 5).await;
    let (one, first) = body();
    let (two, second) = body();
    for sender in [&one, &two] {
        sender.send(Ok(Bytes::from_static(b"abc"))).unwrap();
    }
    let third = async {
        while world.files().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let busy = world.put(&url, "hello").await;
        busy.fails(503, "upload_busy");
        assert_eq!(busy.header("retry-after"), "1");
        one.send(broken()).unwrap();
        two.send(Ok(Bytes::from_static(b"de"))).unwrap();
        drop(two);
    };
    let (lost, won, ()) = tokio::join!(world.put(&url, first), world.put(&url, second), third);
    lost.fails(400, "invalid_request");
    won.good();
    world.put(&url, "hello").await.fails(409, "already_uploaded");
}
