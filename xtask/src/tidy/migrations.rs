//! A migration exists for both databases or for none.

use super::tracked::File;
use std::collections::BTreeSet;

const ROOMS: [&str; 2] = ["store", "distribution"];

/// Both trees of each room have the same file names, numbered without a gap from 0001.
pub(super) fn check(files: &[File]) -> Vec<String> {
    ROOMS.into_iter().flat_map(|room| check_room(files, room)).collect()
}

fn check_room(files: &[File], room: &str) -> Vec<String> {
    let (sqlite, postgres) = (names(files, room, "sqlite"), names(files, room, "postgres"));
    let mut faults = Vec::new();
    for (name, other) in sqlite.difference(&postgres).map(|name| (name, "postgres")).chain(postgres.difference(&sqlite).map(|name| (name, "sqlite"))) {
        faults.push(format!("crates/{room}/migrations/{other} has no {name}, the other database has"));
    }
    if sqlite.is_empty() {
        faults.push(format!("crates/{room}/migrations/sqlite has no migration"));
    }
    for (at, name) in sqlite.iter().enumerate() {
        let number = format!("{:04}_", at + 1);
        if !name.starts_with(&number) || !name.ends_with(".sql") {
            faults.push(format!("crates/{room}/migrations/sqlite/{name} must be named {number}*.sql"));
        }
    }
    faults
}

fn names<'a>(files: &'a [File], room: &str, engine: &str) -> BTreeSet<&'a str> {
    let folder = format!("crates/{room}/migrations/{engine}/");
    files.iter().filter_map(|file| file.path.strip_prefix(&folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(store: &[&str]) -> usize {
        let distribution = ["crates/distribution/migrations/sqlite/0001_x.sql", "crates/distribution/migrations/postgres/0001_x.sql"];
        let files: Vec<File> = store.iter().chain(&distribution).map(|path| File::new(path, "")).collect();
        check(&files).len()
    }

    #[test]
    fn both_trees_are_numbered_alike() {
        let both = ["crates/store/migrations/sqlite/0001_a.sql", "crates/store/migrations/postgres/0001_a.sql"];
        assert_eq!(faults(&both), 0);
        assert_eq!(faults(&both[..1]), 1);
        assert_eq!(faults(&[]), 1);
        assert_eq!(faults(&[both[0], "crates/store/migrations/postgres/0001_b.sql"]), 2);
        assert_eq!(faults(&["crates/store/migrations/sqlite/0002_a.sql", "crates/store/migrations/postgres/0002_a.sql"]), 1);
    }
}
