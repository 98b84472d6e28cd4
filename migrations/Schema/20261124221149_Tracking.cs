using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>What is noticed of a mail, and what its stream and key say of that; whether a project keeps readers' addresses.</summary>
    public partial class Tracking : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "return_receipt",
                table: "streams",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<bool>(
                name: "track_clicks_text",
                table: "streams",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "unsubscribe",
                table: "streams",
                type: "character varying(16)",
                maxLength: 16,
                nullable: false,
                defaultValueSql: "'none'");

            migrationBuilder.AddColumn<bool>(
                name: "keeps_ip",
                table: "projects",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<short>(
                name: "tracked",
                table: "emails",
                type: "smallint",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "return_receipt",
                table: "api_keys",
                type: "boolean",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "track_clicks",
                table: "api_keys",
                type: "boolean",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "track_clicks_text",
                table: "api_keys",
                type: "boolean",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "track_opens",
                table: "api_keys",
                type: "boolean",
                nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "return_receipt",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "track_clicks_text",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "unsubscribe",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "keeps_ip",
                table: "projects");

            migrationBuilder.DropColumn(
                name: "tracked",
                table: "emails");

            migrationBuilder.DropColumn(
                name: "return_receipt",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "track_clicks",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "track_clicks_text",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "track_opens",
                table: "api_keys");
        }
    }
}
