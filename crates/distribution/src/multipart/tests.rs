use super::*;
use axum::http::HeaderValue;
use futures_util::stream;
use std::convert::Infallible;

/// What comes of a body that arrives in pieces of `size` bytes: names, file names, contents.
async fn parts(content_type: &str, body: &[u8], size: usize) -> Result<Vec<(Part, Vec<u8>)>, Error> {
    let pieces: Vec<Result<Bytes, Infallible>> = body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut parts = Parts::new(Some(&HeaderValue::from_str(content_type).unwrap()), Body::from_stream(stream::iter(pieces)))?;
    let mut found = Vec::new();
    while let Some(part) = parts.next().await? {
        let mut content = Vec::new();
        while let Some(chunk) = parts.chunk().await? {
            assert!(!chunk.is_empty());
            content.extend_from_slice(&chunk);
        }
        found.push((part, content));
    }
    Ok(found)
}

const TYPE: &str = "multipart/form-data; boundary=XyZ";

#[tokio::test]
async fn however_a_body_is_cut_its_parts_are_the_same() {
    let body = b"preamble\r\n--XyZ\r\nContent-Disposition: form-data; name=\"Message\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\nGr\xfc\xdfe\r\n\
        --XyZ \t\r\ncontent-disposition: form-data; filename=\"a \\\"b\\\" c:\\d.ipa\"; NAME=File\r\n\r\n\r\n--XyX\r\n-\r\r\n--Xy\r\n--XyZ\r\n\r\n\r\n--XyZ--\r\nepilogue";
    for size in 1..body.len() + 1 {
        let found = parts(TYPE, body, size).await.unwrap();
        assert_eq!(found.len(), 3, "{size}");
        assert_eq!((found[0].0.name.as_str(), found[0].0.is_latin1, found[0].1.as_slice()), ("message", true, &b"Gr\xfc\xdfe"[..]), "{size}");
        assert_eq!((found[1].0.name.as_str(), found[1].0.file_name.as_deref()), ("file", Some("a \"b\" c:\\d.ipa")), "{size}");
        assert_eq!(found[1].1, b"\r\n--XyX\r\n-\r\r\n--Xy", "{size}");
        assert_eq!(found[2], (Part::default(), Vec::new()), "{size}");
    }
}

#[tokio::test]
async fn a_body_that_stops_anywhere_is_refused() {
    let body = b"--XyZ\r\nContent-Disposition: form-data; name=File\r\n\r\ncontent\r\n--XyZ--";
    for end in 0..body.len() {
        assert!(parts(TYPE, &body[..end], 7).await.is_err(), "{end}");
    }
    assert_eq!(parts(TYPE, body, 7).await.unwrap()[0].1, b"content");
}

#[tokio::test]
async fn text_is_read_in_the_letters_it_was_sent_in() {
    for (charset, bytes, expected) in [
        ("; charset=iso-8859-1", &b"Gr\xfc\xdfe"[..], "Grüße"),
        ("; charset=ISO-8859-1", "ü".as_bytes(), "Ã¼"),
        ("", "Grüße".as_bytes(), "Grüße"),
        ("", b"Gr\xfc\xdfe", "Grüße"),
    ] {
        let body =
            [b"--XyZ\r\nContent-Disposition: form-data; name=Message\r\nContent-Type: text/plain", charset.as_bytes(), b"\r\n\r\n", bytes, b"\r\n--XyZ--"]
                .concat();
        let mut parts = Parts::new(Some(&HeaderValue::from_static(TYPE)), Body::from(body)).unwrap();
        let part = parts.next().await.unwrap().unwrap();
        assert_eq!(parts.text(&part, 100).await.unwrap(), expected);
    }
    let mut parts = Parts::new(Some(&HeaderValue::from_static(TYPE)), Body::from(format!("--XyZ\r\n\r\n{}\r\n--XyZ--", "x".repeat(101)))).unwrap();
    let part = parts.next().await.unwrap().unwrap();
    assert!(matches!(parts.text(&part, 100).await, Err(Error::TooLarge)));
}

#[tokio::test]
async fn what_is_no_multipart_body_is_refused() {
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for kind in ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=XyZ", long.as_str()] {
        assert!(parts(kind, b"--XyZ\r\n\r\n\r\n--XyZ--", 9).await.is_err(), "{kind}");
    }
    for kind in ["multipart/form-data; charset=utf-8; boundary=\"XyZ\"", "Multipart/Form-Data;boundary=XyZ", "multipart/form-data; BOUNDARY=XyZ; x=y"] {
        assert_eq!(parts(kind, b"--XyZ\r\n\r\na\r\n--XyZ--", 9).await.unwrap()[0].1, b"a", "{kind}");
    }
    for body in [
        &b"--XyZx\r\n\r\na\r\n--XyZ--"[..],
        b"--XyZ\r\n\r\na\r\n--XyZ",
        b"nothing",
        b"",
        &[b"--XyZ\r\n", "x".repeat(9000).as_bytes(), b"\r\n\r\n\r\n--XyZ--"].concat(),
        &[b"--XyZ", " ".repeat(9000).as_bytes(), b"\r\n\r\n\r\n--XyZ--"].concat(),
        &[b"--XyZ\r\n\r\n\r\n".repeat(65).as_slice(), b"--XyZ--"].concat(),
    ] {
        assert!(parts(TYPE, body, 64).await.is_err(), "{:?}", &body[..body.len().min(40)]);
    }
}

#[test]
fn names_of_files_come_in_several_forms() {
    for (value, expected) in [
        ("form-data; name=f; filename=a.ipa", Some("a.ipa")),
        ("form-data; name=f; filename=\"a;b=c.ipa\"", Some("a;b=c.ipa")),
        ("form-data; name=f; filename=\"x\"; filename*=UTF-8''%C3%BC%20a.ipa", Some("ü a.ipa")),
        ("form-data; name=f; filename=\"x\"; filename*=UTF-8''%C3", Some("x")),
        ("form-data; name=f; filename=\"open", None),
        ("form-data; name=f", None),
    ] {
        let part = read_headers(format!("Content-Disposition: {value}").as_bytes());
        assert_eq!(part.file_name.as_deref(), expected, "{value}");
    }
    assert_eq!(read_headers(b"Content-Disposition: form-data; name=f; filename=\"\xfc.ipa\"").file_name.as_deref(), Some("ü.ipa"));
}
