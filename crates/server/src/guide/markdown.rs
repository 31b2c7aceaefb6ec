//! From Markdown to HTML. What is no Markdown stays text: no page can bring a tag, a style or a script of its own.

use keywright_protocol::paths;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::collections::BTreeSet;

/// What became of a text.
pub(super) struct Rendered {
    /// The text of the first heading of the first level.
    pub(super) title: String,
    /// The whole of it.
    pub(super) html: String,
}

/// Renders a page.
pub(super) fn render(source: &str) -> Rendered {
    let mut events: Vec<Event<'_>> = Parser::new_ext(source, Options::ENABLE_TABLES).map(own).collect();
    let title = name_headings(&mut events);
    let mut html = String::with_capacity(source.len() * 2);
    html::push_html(&mut html, events.into_iter());
    Rendered { title, html }
}

/// The id of a heading: its text in lower case, with `-` for spaces, without all else but letters, digits, `-` and `_`.
pub(super) fn anchor(text: &str) -> String {
    let letters = text.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || matches!(letter, '-' | '_') => Some(letter),
        _ => None,
    });
    letters.flat_map(char::to_lowercase).collect()
}

/// Tags as text, and links to other pages by their path here.
fn own(mut event: Event<'_>) -> Event<'_> {
    if let Event::Html(text) | Event::InlineHtml(text) = event {
        return Event::Text(text);
    }
    if let Event::Start(Tag::Link { dest_url, .. }) = &mut event {
        *dest_url = destination(std::mem::replace(dest_url, CowStr::Borrowed("")));
    }
    event
}

/// `api-keys.md#rotating` is `/docs/api-keys#rotating` here.
fn destination(url: CowStr<'_>) -> CowStr<'_> {
    let (file, fragment) = url.split_once('#').map_or((&*url, None), |(file, fragment)| (file, Some(fragment)));
    let Some(slug) = file.strip_suffix(".md").filter(|slug| !slug.contains(['/', ':'])) else { return url };
    let path = if slug == "index" { paths::GUIDE.to_owned() } else { format!("{}/{slug}", paths::GUIDE) };
    fragment.map_or_else(|| path.clone(), |fragment| format!("{path}#{fragment}")).into()
}

/// Gives each heading an id of its own; answers the title.
fn name_headings(events: &mut [Event<'_>]) -> String {
    let (mut title, mut taken) = (None, BTreeSet::new());
    let mut rest = events;
    while let Some(at) = rest.iter().position(|event| matches!(event, Event::Start(Tag::Heading { .. }))) {
        let Some((heading, after)) = rest.get_mut(at..).and_then(<[Event<'_>]>::split_first_mut) else { break };
        let text = text_of(after);
        if let Event::Start(Tag::Heading { level, id, .. }) = heading {
            let name = free(anchor(&text), &taken);
            taken.insert(name.clone());
            *id = Some(name.into());
            if *level == HeadingLevel::H1 {
                title.get_or_insert(text);
            }
        }
        rest = after;
    }
    title.unwrap_or_default()
}

/// The text up to the end of a heading.
fn text_of(events: &[Event<'_>]) -> String {
    let inside = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside.filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(&**text) } else { None }).collect()
}

/// The name, with a number behind it if another heading has it.
fn free(name: String, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&name) {
        return name;
    }
    (1..).map(|number: u32| format!("{name}-{number}")).find(|other| !taken.contains(other)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_ids_and_the_first_is_the_title() {
        let rendered = render("# The *whole* `page`\n\n## Key & lock\n\n### `key_expired`\n\n## Key & lock\n\n## Key & lock\n");
        assert_eq!(rendered.title, "The whole page");
        for id in ["the-whole-page", "key--lock", "key_expired", "key--lock-1", "key--lock-2"] {
            assert!(rendered.html.contains(&format!(" id=\"{id}\"")), "{id}: {}", rendered.html);
        }
        assert_eq!(anchor("organizationId must be a valid GUID"), "organizationid-must-be-a-valid-guid");
    }

    #[test]
    fn links_between_pages_lead_to_their_paths() {
        for (link, there) in [
            ("api-keys.md", "/docs/api-keys"),
            ("api-keys.md#rotating", "/docs/api-keys#rotating"),
            ("index.md", "/docs"),
            ("#below", "#below"),
            ("../VERIFYING.md", "../VERIFYING.md"),
            ("https://example.com/x.md", "https://example.com/x.md"),
        ] {
            assert_eq!(render(&format!("[x]({link})")).html, format!("<p><a href=\"{there}\">x</a></p>\n"));
        }
    }

    /// Reddens when a text's own tags get through.
    #[test]
    fn what_looks_like_html_stays_text() {
        for text in [
            "<script>alert(1)</script>",
            "a <b onclick=\"x\">b</b>",
            "<div>\n<img src=x onerror=y>\n</div>",
            "`<i>`",
            "```sh\n<u>\n```",
            "| <s> |\n|-|\n| <s> |",
        ] {
            let html = render(text).html;
            for tag in ["<script", "<b", "<div", "<img", "<i>", "<u>", "<s>"] {
                assert!(!html.contains(tag), "{text}: {html}");
            }
            assert!(html.contains("&lt;"), "{html}");
        }
    }

    #[test]
    fn tables_and_code_are_there_without_a_style() {
        let html = render("| a | b |\n|---|---|\n| `c` | d |\n\n```sh\nx \"$Y\"\n```\n").html;
        assert!(html.contains("<td><code>c</code></td>") && html.contains("<code class=\"language-sh\">x \"$Y\"") && !html.contains("style"), "{html}");
    }
}
