/** @eco2/core/postgres: for data in PostgreSQL: the pool, typed statements, migrations. */
export * as Migrations from "./postgres/Migrations.ts"
export * as Postgres from "./postgres/Postgres.ts"
export * as PostgresConfig from "./postgres/PostgresConfig.ts"
export * as PostgresError from "./postgres/PostgresError.ts"
export * as PostgresStatement from "./postgres/Statement.ts"
