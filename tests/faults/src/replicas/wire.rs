//! Just enough of PostgreSQL's protocol (version 3, after the start, without TLS) to take notifications out of what a server says: each of
//! its messages is a byte that tells the kind and four that tell the length, with themselves.

/// `NotificationResponse`.
const NOTIFICATION: u8 = b'A';

/// Whether notifications go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notifications {
    /// As the server says.
    Delivered,
    /// They are lost.
    Dropped,
}

/// Where in the server's words we are.
#[derive(Default)]
pub(crate) struct Filter {
    /// Of a message whose length is not known yet.
    head: Vec<u8>,
    /// Bytes that the present message still has.
    left: usize,
    is_dropping: bool,
}

impl Filter {
    /// Appends to `out` what goes on of the next bytes, and answers how many notifications do not.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], notifications: Notifications, out: &mut Vec<u8>) -> u64 {
        let mut dropped = 0;
        while let Some((first, after_first)) = bytes.split_first() {
            if self.left > 0 {
                let (body, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
                if !self.is_dropping {
                    out.extend_from_slice(body);
                }
                self.left -= body.len();
                bytes = rest;
                continue;
            }
            self.head.push(*first);
            bytes = after_first;
            if let &[kind, a, b, c, d] = self.head.as_slice() {
                self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).saturating_sub(4);
                self.is_dropping = kind == NOTIFICATION && notifications == Notifications::Dropped;
                if self.is_dropping {
                    dropped += 1;
                } else {
                    out.extend_from_slice(&self.head);
                }
                self.head.clear();
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![kind];
        message.extend((u32::try_from(body.len()).unwrap() + 4).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn notifications_are_taken_out_however_the_bytes_are_cut() {
        let notification = message(b'A', b"\0\0\0\x07keywright\0A\0");
        let others = [message(b'R', b"\0\0\0\0"), message(b'Z', b"I"), message(b'D', b"AAAA"), message(b'1', b"")];
        let mut said = notification.clone();
        for other in &others {
            said.extend(other.iter().chain(&notification));
        }
        for size in 1..said.len() {
            for (notifications, wanted, count) in [(Notifications::Dropped, others.concat(), 5), (Notifications::Delivered, said.clone(), 0)] {
                let (mut filter, mut out, mut dropped) = (Filter::default(), Vec::new(), 0);
                for chunk in said.chunks(size) {
                    dropped += filter.pass(chunk, notifications, &mut out);
                }
                assert_eq!((out, dropped), (wanted, count), "{size}, {notifications:?}");
            }
        }
    }

    #[test]
    fn a_notification_that_began_to_go_on_goes_on() {
        let notification = message(b'A', b"xyz");
        let (mut filter, mut out) = (Filter::default(), Vec::new());
        filter.pass(&notification[..6], Notifications::Delivered, &mut out);
        assert_eq!(filter.pass(&notification[6..], Notifications::Dropped, &mut out), 0);
        assert_eq!(out, notification);
    }
}
