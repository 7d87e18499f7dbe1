-- The version of the projections; 0 before they are made. From here on, they stand in projections.sql.
ALTER TABLE meta ADD COLUMN tables INTEGER NOT NULL DEFAULT 0;
