using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>Counts of what happened, and how far each project's events are counted.</summary>
    public partial class Statistics : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "stat_cursors",
                columns: table => new
                {
                    project_id = table.Column<int>(type: "integer", nullable: false),
                    transaction = table.Column<ulong>(type: "xid8", nullable: false),
                    ordinal = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_stat_cursors", x => x.project_id);
                });

            migrationBuilder.CreateTable(
                name: "stats",
                columns: table => new
                {
                    project_id = table.Column<int>(type: "integer", nullable: false),
                    by = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    span = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    value = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    measure = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    bucket = table.Column<short>(type: "smallint", nullable: false),
                    count = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_stats", x => new { x.project_id, x.by, x.span, x.at, x.value, x.measure, x.bucket });
                });

            migrationBuilder.Sql("""
                alter table stats enable row level security;
                create policy of_project on stats for select to emailapi_reader
                    using (project_id = nullif(current_setting('emailapi.project', true), '')::int);
                grant select on stats to emailapi_reader;
                alter table stat_cursors enable row level security;
                create policy of_project on stat_cursors for select to emailapi_reader
                    using (project_id = nullif(current_setting('emailapi.project', true), '')::int);
                grant select on stat_cursors to emailapi_reader;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "stat_cursors");

            migrationBuilder.DropTable(
                name: "stats");
        }
    }
}
