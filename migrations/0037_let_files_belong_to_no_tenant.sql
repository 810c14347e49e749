-- A picture of a person belongs to the account, not to one of its tenants.

-- up
ALTER TABLE files MODIFY tenant_id UUID NULL;

-- down
ALTER TABLE files MODIFY tenant_id UUID NOT NULL;
