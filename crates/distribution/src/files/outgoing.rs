//! Sending: a file to whoever reads on.

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _};
use std::{io, time::Duration};
use tokio::{fs::File, sync::mpsc};
use tokio_util::io::ReaderStream;

/// So much at a time.
const CHUNK: usize = 64 * 1024;
/// Whoever takes nothing for so long is cut off: each holds a file open.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bytes of a file, as long as somebody takes them.
pub(crate) fn sent(file: File) -> impl Stream<Item = io::Result<Bytes>> {
    let (sender, mut receiver) = mpsc::channel(1);
    let sending = async move {
        let mut chunks = ReaderStream::with_capacity(file, CHUNK);
        while let Some(chunk) = chunks.next().await {
            if sender.send_timeout(chunk, PATIENCE).await.is_err() {
                break;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with the file, with its reader, or when that one stands still")]
    drop(tokio::spawn(sending));
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LENGTH: usize = 10 * CHUNK;

    async fn taken_after(pause: Duration) -> usize {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; LENGTH]).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut bytes = std::pin::pin!(sent(File::from_std(file)));
        let first = bytes.next().await.unwrap().unwrap().len();
        tokio::time::sleep(pause).await;
        bytes.fold(first, async |sum, chunk| sum + chunk.unwrap().len()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_not_held_open_for_somebody_who_reads_no_more() {
        assert_eq!(taken_after(PATIENCE / 2).await, LENGTH);
        assert!(taken_after(PATIENCE * 2).await < LENGTH);
    }
}
