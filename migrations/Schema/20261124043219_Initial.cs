using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddForeignKey(
                name: "fk_attempts_recipients_email_id_n",
                table: "attempts",
                columns: new[] { "email_id", "n" },
                principalTable: "recipients",
                principalColumns: new[] { "email_id", "n" },
                onDelete: ReferentialAction.Restrict);

            migrationBuilder.AddForeignKey(
                name: "fk_queue_recipients_email_id_n",
                table: "queue",
                columns: new[] { "email_id", "n" },
                principalTable: "recipients",
                principalColumns: new[] { "email_id", "n" },
                onDelete: ReferentialAction.Restrict);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropForeignKey(
                name: "fk_attempts_recipients_email_id_n",
                table: "attempts");

            migrationBuilder.DropForeignKey(
                name: "fk_queue_recipients_email_id_n",
                table: "queue");
        }
    }
}
