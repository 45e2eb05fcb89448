#!/bin/sh
# Lays Temporal's two schemas, or brings them to the version of this image. Where the database is, the SQL_… variables say.
set -eu
lay() {
  temporal-sql-tool --db "$1" create
  temporal-sql-tool --db "$1" setup-schema --version 0.0
  temporal-sql-tool --db "$1" update-schema --schema-name "postgresql/v12/$2"
}
lay temporal temporal
lay temporal_visibility visibility
