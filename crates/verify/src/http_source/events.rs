//! Server-sent events out of the chunks of an answer (the HTML standard, section 9.2.6), as far as the feed uses them: `event` and `data`.

/// Longest event, in bytes.
const MOST: usize = 2 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// An event that is longer than any could be, or no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What has come and is not a whole event yet.
#[derive(Default)]
pub(super) struct Events {
    buffer: Vec<u8>,
    name: String,
    data: Vec<String>,
}

impl Events {
    /// Takes what came. Answers the events that are whole now.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<Vec<Event>, Unreadable> {
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() > MOST {
            return Err(Unreadable);
        }
        let mut events = Vec::new();
        let whole = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.buffer.drain(..whole).collect();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(line).map_err(|_| Unreadable)?.trim_end_matches(['\n', '\r']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => self.data.push(value.to_owned()),
                "" if line.is_empty() && !self.data.is_empty() => {
                    events.push(Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data).join("\n") });
                }
                "" if line.is_empty() => self.name.clear(),
                // A comment, or a field that is of no use here.
                _ => {}
            }
        }
        if self.data.iter().map(String::len).sum::<usize>() > MOST { Err(Unreadable) } else { Ok(events) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        let text = b": hello\r\n\r\nid: 1.4\r\nevent: news\r\ndata: a\r\ndata:b\r\n\r\nevent: empty\n\ndata:  c\n\ndata: not yet\n";
        let expected = [event("news", "a\nb"), event("", " c")];
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<Event> = text.chunks(size).flat_map(|chunk| events.take(chunk).unwrap()).collect();
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut events = Events::default();
        let outcomes: Vec<bool> = (0..40).map(|_| events.take(&[b'x'; 64 * 1024]).is_ok()).collect();
        assert!(outcomes.contains(&false));
        let mut events = Events::default();
        let outcomes: Vec<bool> = (0..4_000).map(|_| events.take(format!("data: {}\n", "x".repeat(1024)).as_bytes()).is_ok()).collect();
        assert!(outcomes.contains(&false));
        assert_eq!(Events::default().take(b"data: \xff\n"), Err(Unreadable));
    }
}
