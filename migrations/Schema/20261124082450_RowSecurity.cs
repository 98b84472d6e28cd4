using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>A role that ordinary reads take on for a transaction: it sees the rows of one project and changes nothing. The tables' owner,
    /// which is the engine, is not bound by it.</summary>
    public partial class RowSecurity : Migration
    {
        private static readonly string[] Tables =
        [
            "streams", "api_keys", "emails", "recipients", "contents", "blobs", "blob_uses", "queue", "attempts", "events", "captured",
        ];

        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                do $$
                begin
                    if not exists (select from pg_roles where rolname = 'emailapi_reader') then
                        create role emailapi_reader nologin;
                    end if;
                    if not pg_has_role(current_user, 'emailapi_reader', 'member') then
                        execute format('grant emailapi_reader to %I', current_user);
                    end if;
                exception
                    when duplicate_object or unique_violation then null;   -- another database of this server makes it just now
                    when insufficient_privilege then
                        raise exception 'The role emailapi_reader is missing and % may not make it. As an administrator: create role emailapi_reader nologin; grant emailapi_reader to %;', current_user, current_user;
                end
                $$;
                grant usage on schema public to emailapi_reader;
                grant select on projects to emailapi_reader;
                """);
            foreach (var table in Tables)
                migrationBuilder.Sql($"""
                    alter table {table} enable row level security;
                    create policy of_project on {table} for select to emailapi_reader
                        using (project_id = nullif(current_setting('emailapi.project', true), '')::int);
                    grant select on {table} to emailapi_reader;
                    """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            foreach (var table in Tables)
                migrationBuilder.Sql($"""
                    revoke select on {table} from emailapi_reader;
                    drop policy of_project on {table};
                    alter table {table} disable row level security;
                    """);
            // The role stays: it belongs to the server, and another database may use it.
            migrationBuilder.Sql("revoke select on projects from emailapi_reader; revoke usage on schema public from emailapi_reader;");
        }
    }
}
