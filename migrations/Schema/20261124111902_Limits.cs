using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>Rates of keys and projects, quotas of projects, and the usage that both are counted in.</summary>
    public partial class Limits : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "quota_per_day",
                table: "projects",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "quota_per_month",
                table: "projects",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "rate_burst",
                table: "projects",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "rate_per_second",
                table: "projects",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "rate_burst",
                table: "api_keys",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "rate_per_second",
                table: "api_keys",
                type: "integer",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "rate_buckets",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false),
                    level = table.Column<double>(type: "double precision", nullable: false),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    given = table.Column<double>(type: "double precision", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_rate_buckets", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "usage",
                columns: table => new
                {
                    project_id = table.Column<int>(type: "integer", nullable: false),
                    day = table.Column<DateOnly>(type: "date", nullable: false),
                    shard = table.Column<short>(type: "smallint", nullable: false),
                    emails = table.Column<long>(type: "bigint", nullable: false),
                    recipients = table.Column<long>(type: "bigint", nullable: false),
                    bytes = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_usage", x => new { x.project_id, x.day, x.shard });
                });

            // Rows that change all the time stay on their page.
            migrationBuilder.Sql("""
                alter table usage set (fillfactor = 50);
                alter table rate_buckets set (fillfactor = 50);
                alter table usage enable row level security;
                create policy of_project on usage for select to emailapi_reader
                    using (project_id = nullif(current_setting('emailapi.project', true), '')::int);
                grant select on usage to emailapi_reader;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "rate_buckets");

            migrationBuilder.DropTable(
                name: "usage");

            migrationBuilder.DropColumn(
                name: "quota_per_day",
                table: "projects");

            migrationBuilder.DropColumn(
                name: "quota_per_month",
                table: "projects");

            migrationBuilder.DropColumn(
                name: "rate_burst",
                table: "projects");

            migrationBuilder.DropColumn(
                name: "rate_per_second",
                table: "projects");

            migrationBuilder.DropColumn(
                name: "rate_burst",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "rate_per_second",
                table: "api_keys");
        }
    }
}
