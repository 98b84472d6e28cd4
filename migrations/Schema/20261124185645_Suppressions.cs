using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>Addresses that must not be mailed; what recipients are compared with them by; and which mail goes to them all the same.</summary>
    public partial class Suppressions : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "address_key",
                table: "recipients",
                type: "character varying(320)",
                maxLength: 320,
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "overrides_suppression",
                table: "emails",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.CreateTable(
                name: "suppressions",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    project_id = table.Column<int>(type: "integer", nullable: false),
                    address = table.Column<string>(type: "character varying(320)", maxLength: 320, nullable: false, collation: "C"),
                    stream = table.Column<string>(type: "text", nullable: true),
                    reason = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    source = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    email_id = table.Column<Guid>(type: "uuid", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_suppressions", x => new { x.project_id, x.id });
                });

            migrationBuilder.CreateIndex(
                name: "ix_suppressions_expires_at",
                table: "suppressions",
                column: "expires_at",
                filter: "expires_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_suppressions_project_id_address_stream",
                table: "suppressions",
                columns: new[] { "project_id", "address", "stream" },
                unique: true)
                .Annotation("Npgsql:NullsDistinct", false);
            // What is open already is compared as well as SQL can: quotes that mean nothing stay.
            migrationBuilder.Sql("""
                update recipients r set address_key = lower(r.address) from queue q where q.email_id = r.email_id and q.n = r.n and r.address <> lower(r.address);
                alter table suppressions enable row level security;
                create policy of_project on suppressions for select to emailapi_reader
                    using (project_id = nullif(current_setting('emailapi.project', true), '')::int);
                grant select on suppressions to emailapi_reader;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "suppressions");

            migrationBuilder.DropColumn(
                name: "address_key",
                table: "recipients");

            migrationBuilder.DropColumn(
                name: "overrides_suppression",
                table: "emails");
        }
    }
}
