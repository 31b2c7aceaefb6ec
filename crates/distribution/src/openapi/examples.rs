//! Examples, which tests compare with what is sent.

use serde_json::{Value, json};

/// An example: a profile as it stands in a list.
pub(crate) fn listed_profile() -> Value {
    json!({
        "id": "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21",
        "name": "Nightly builds",
        "pinned": true,
        "iOSVersion": "1.4.2",
        "androidVersion": null,
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-04T16:05:12.345Z",
        "lastAppVersionSharedDate": null,
        "settings": { "authenticationType": 3, "username": "qa", "autoSendEnabled": false },
        "testingGroupIds": ["6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"]
    })
}

/// An example: a profile with its app versions.
pub(crate) fn profile() -> Value {
    let mut profile = listed_profile();
    if let Some(members) = profile.as_object_mut() {
        members.insert("appVersions".to_owned(), json!([version()]));
    }
    profile
}

/// An example: a profile that has just been made.
pub(crate) fn new_profile() -> Value {
    json!({
        "id": "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21",
        "name": "Nightly builds",
        "pinned": false,
        "iOSVersion": null,
        "androidVersion": null,
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-02T08:30:00.000Z",
        "lastAppVersionSharedDate": null,
        "settings": { "authenticationType": 1, "autoSendEnabled": false },
        "testingGroupIds": null,
        "appVersions": []
    })
}

/// An example: a change of a profile.
pub(crate) fn patch() -> Value {
    json!({
        "pinned": true,
        "settings": { "authenticationType": 3, "username": "qa", "password": "correct horse battery staple" },
        "testingGroupIds": ["6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"]
    })
}

/// An example: a profile's settings.
pub(crate) fn settings() -> Value {
    json!({ "authenticationType": 3, "username": "qa", "autoSendEnabled": true, "testingGroupIds": ["6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"] })
}

/// An example: an app version.
pub(crate) fn version() -> Value {
    json!({
        "id": "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f",
        "fileName": "shop-1.4.2.ipa",
        "platform": "ios",
        "version": "1.4.2",
        "size": 40960,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "message": "Fixes the login",
        "createdAt": "2026-03-04T16:05:12.345Z",
        "updatedAt": "2026-03-04T16:05:12.345Z"
    })
}

/// An example: where an upload goes.
pub(crate) fn upload_information() -> Value {
    json!({
        "fileId": "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a",
        "uploadUrl": "https://auth.example.com/distribution/v1/uploads/7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a?signature=S0mRlQ2fVb6m3r0l1s8mYVxkqkzJt4a0nq9c5w7e2dA",
        "configuration": { "httpMethod": "PUT", "signParameters": null },
        "expiresAt": "2026-03-04T17:05:12.345Z"
    })
}

/// An example: the last of three steps.
pub(crate) fn commit() -> Value {
    json!({ "fileId": "7d3f0a52-1c2b-4e6f-8a9d-0b1c2d3e4f5a", "fileName": "shop-1.4.2.ipa", "message": "Fixes the login" })
}

/// An example: an upload that is done.
pub(crate) fn done() -> Value {
    json!({ "taskId": "b1f3c6de-6a4b-4b62-9c3e-2f9d8e7a6c54", "appVersionId": "3c1f9d5e-8b1a-4f0c-9d7e-6a5b4c3d2e1f" })
}

/// An example: a task.
pub(crate) fn task() -> Value {
    json!({ "id": "b1f3c6de-6a4b-4b62-9c3e-2f9d8e7a6c54", "stateValue": 3, "stateName": "Completed" })
}

/// An example: a testing group as it stands in a list.
pub(crate) fn listed_group() -> Value {
    json!({
        "id": "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55",
        "name": "Friends",
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-04T16:05:12.345Z"
    })
}

/// An example: a testing group and who is in it.
pub(crate) fn group() -> Value {
    let mut group = listed_group();
    if let Some(members) = group.as_object_mut() {
        members.insert("testers".to_owned(), json!(["qa@example.com"]));
    }
    group
}

/// An example: a testing group that has just been made.
pub(crate) fn new_group() -> Value {
    json!({
        "id": "6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55",
        "name": "Friends",
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-02T08:30:00.000Z",
        "testers": []
    })
}
