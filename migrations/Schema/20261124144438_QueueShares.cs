using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>New mail and retries have shares of their own; the relay that stood in at the last claim.</summary>
    public partial class QueueShares : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_queue_free",
                table: "queue");

            migrationBuilder.AddColumn<bool>(
                name: "is_retry",
                table: "queue",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "stand_in",
                table: "queue",
                type: "text",
                nullable: true);

            migrationBuilder.CreateIndex(
                name: "ix_queue_free",
                table: "queue",
                columns: new[] { "lane", "priority", "project_id", "is_retry", "due_at" },
                filter: "lease_until is null");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_queue_free",
                table: "queue");

            migrationBuilder.DropColumn(
                name: "is_retry",
                table: "queue");

            migrationBuilder.DropColumn(
                name: "stand_in",
                table: "queue");

            migrationBuilder.CreateIndex(
                name: "ix_queue_free",
                table: "queue",
                columns: new[] { "lane", "priority", "project_id", "due_at" },
                filter: "lease_until is null");
        }
    }
}
