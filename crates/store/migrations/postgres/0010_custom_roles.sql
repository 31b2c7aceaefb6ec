-- Roles that the Owners of a root organization made of permissions of the catalog. A deleted one stays, so that its key is never used again.
CREATE TABLE custom_roles (
    root_id UUID NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (root_id, role)
);

-- Ids of permissions; whether the catalog has them is asked where they are used.
CREATE TABLE custom_role_permissions (
    root_id UUID NOT NULL,
    role TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (root_id, role, permission),
    FOREIGN KEY (root_id, role) REFERENCES custom_roles (root_id, role)
);
