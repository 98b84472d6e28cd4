using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>Counts of all values together, and indexes by which those with most mail are found and read.</summary>
    public partial class StatsTotals : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "ix_stats_mail",
                table: "stats",
                columns: new[] { "project_id", "by", "span", "at", "value" },
                filter: "measure in ('accepted', 'sent')")
                .Annotation("Npgsql:IndexInclude", new[] { "measure", "count" });

            migrationBuilder.CreateIndex(
                name: "ix_stats_value",
                table: "stats",
                columns: new[] { "project_id", "by", "span", "value", "at", "measure", "bucket" })
                .Annotation("Npgsql:IndexInclude", new[] { "count" });

            migrationBuilder.Sql("""
                insert into stats (project_id, by, span, at, value, measure, bucket, count)
                select project_id, by, span, at, '', measure, bucket, sum(count) from stats where by <> 'time' group by project_id, by, span, at, measure, bucket
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("delete from stats where by <> 'time' and value = ''");

            migrationBuilder.DropIndex(
                name: "ix_stats_mail",
                table: "stats");

            migrationBuilder.DropIndex(
                name: "ix_stats_value",
                table: "stats");
        }
    }
}
