using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>In which place the database lives, by which one that was restored is told, and the nodes that must vouch for it after a failover. The
    /// row of the epoch is written by the first start: a clone of a migrated database is none of a used one.</summary>
    public partial class Epoch : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "delivering_nodes",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    timeline = table.Column<int>(type: "integer", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_delivering_nodes", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "epoch",
                columns: table => new
                {
                    id = table.Column<bool>(type: "boolean", nullable: false, defaultValue: true),
                    since = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "now()"),
                    system_identifier = table.Column<long>(type: "bigint", nullable: true),
                    database_oid = table.Column<long>(type: "bigint", nullable: false),
                    timeline = table.Column<int>(type: "integer", nullable: true),
                    place = table.Column<string>(type: "text", nullable: true),
                    transaction = table.Column<ulong>(type: "xid8", nullable: false, defaultValueSql: "pg_current_xact_id()"),
                    held_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    held_for = table.Column<string>(type: "character varying(16)", maxLength: 16, nullable: true),
                    asked_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_epoch", x => x.id);
                    table.CheckConstraint("ck_epoch_one_row", "id");
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "delivering_nodes");

            migrationBuilder.DropTable(
                name: "epoch");
        }
    }
}
