-- Asks Keywright about a request, for HAProxy 2.5 or newer: `http-request lua.keywright`.
--
-- It sets txn.keywright_status to the verdict (200, 401, 403, 429 or 503), and txn.keywright_* to what the answer says. Whatever goes wrong is 503:
-- nothing is let through on it.

local url = os.getenv("KEYWRIGHT_CHECK") or "http://127.0.0.1:8080/gateway/v1/check"

-- Headers of the connection, and those that are set below.
local own = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true, ["te"] = true,
    ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["x-forwarded-for"] = true, ["x-forwarded-host"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true,
}

local told = {
    ["x-identity-jwt"] = "identity", ["x-keywright-subject"] = "subject", ["x-keywright-email"] = "email",
    ["x-keywright-organization"] = "organization", ["x-keywright-key-id"] = "key_id", ["x-keywright-roles"] = "roles",
    ["x-keywright-reason"] = "reason", ["x-keywright-message"] = "message", ["www-authenticate"] = "challenge",
    ["retry-after"] = "retry",
}

core.register_action("keywright", { "http-req" }, function(txn)
    txn:set_var("txn.keywright_status", 503)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not own[name] then
            headers[name] = {}
            for _, value in pairs(values) do
                table.insert(headers[name], value)
            end
        end
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-host"] = { txn.f:req_hdr("host") or "" }
    headers["x-forwarded-uri"] = { txn.f:pathq() or "" }
    headers["x-forwarded-for"] = { txn.f:src() }

    local answer = core.httpclient():get({ url = url, headers = headers, timeout = 5000 })
    if answer == nil or answer.headers == nil then
        return
    end
    for name, variable in pairs(told) do
        local values = answer.headers[name]
        if values ~= nil then
            txn:set_var("txn.keywright_" .. variable, values[0] or "")
        end
    end
    local status = answer.status
    if status == 200 or status == 401 or status == 403 or status == 429 then
        txn:set_var("txn.keywright_status", status)
    end
end)
