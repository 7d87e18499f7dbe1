-- How often numbers were written, and which of these changes made all of them again.
ALTER TABLE meta ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN remade BIGINT NOT NULL DEFAULT 0;
