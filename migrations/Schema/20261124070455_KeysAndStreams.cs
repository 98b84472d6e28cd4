using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <inheritdoc />
    public partial class KeysAndStreams : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<TimeSpan>(
                name: "keep_content",
                table: "streams",
                type: "interval",
                nullable: true);

            migrationBuilder.AddColumn<TimeSpan>(
                name: "keep_events",
                table: "streams",
                type: "interval",
                nullable: true);

            migrationBuilder.AddColumn<TimeSpan>(
                name: "keep_metadata",
                table: "streams",
                type: "interval",
                nullable: true);

            migrationBuilder.AddColumn<TimeSpan[]>(
                name: "retry",
                table: "streams",
                type: "interval[]",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "track_clicks",
                table: "streams",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<bool>(
                name: "track_opens",
                table: "streams",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "expires_at",
                table: "api_keys",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "last_used_at",
                table: "api_keys",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "mode",
                table: "api_keys",
                type: "character varying(16)",
                maxLength: 16,
                nullable: false,
                defaultValueSql: "'live'");

            migrationBuilder.AddColumn<string[]>(
                name: "recipients",
                table: "api_keys",
                type: "text[]",
                nullable: false,
                defaultValueSql: "'{}'");

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "revoked_at",
                table: "api_keys",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string[]>(
                name: "senders",
                table: "api_keys",
                type: "text[]",
                nullable: false,
                defaultValueSql: "'{}'");

            migrationBuilder.AddColumn<string[]>(
                name: "streams",
                table: "api_keys",
                type: "text[]",
                nullable: false,
                defaultValueSql: "'{}'");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "keep_content",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "keep_events",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "keep_metadata",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "retry",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "track_clicks",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "track_opens",
                table: "streams");

            migrationBuilder.DropColumn(
                name: "expires_at",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "last_used_at",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "mode",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "recipients",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "revoked_at",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "senders",
                table: "api_keys");

            migrationBuilder.DropColumn(
                name: "streams",
                table: "api_keys");
        }
    }
}
