using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>What the log is searched by beyond plain columns: the derived status, tags, and parts of the subject.</summary>
    public partial class EmailLog : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                create function email_status(email uuid) returns text language sql stable parallel safe as $$
                    select case
                        when min(rank) is not null then (array['scheduled', 'held', 'queued', 'sending', 'deferred', 'in_doubt'])[min(rank)]
                        when min(state) = max(state) then min(state)
                        when bool_and(state in ('sent', 'delivered')) then 'sent'
                        else 'partial' end
                    from (
                        select state, array_position(array['scheduled', 'held', 'queued', 'sending', 'deferred', 'in_doubt'], state) as rank
                        from (
                            select case when q.lease_until is not null then 'sending' when r.state = 'scheduled' and q.due_at <= now() then 'queued' else r.state end::text as state
                            from recipients r left join queue q on q.email_id = r.email_id and q.n = r.n where r.email_id = email
                        ) now_states
                    ) ranked
                $$;
                create index ix_emails_tags on emails using gin (tags) where tags is not null;
                do $$
                begin
                    -- Where the extension is not installed on the server, a search in subjects reads them all.
                    create extension if not exists pg_trgm;
                    create index ix_emails_subject on emails using gin (subject gin_trgm_ops) where subject is not null;
                exception
                    when feature_not_supported or undefined_file or insufficient_privilege then
                        raise notice 'pg_trgm cannot be had: subjects are searched without an index';
                end
                $$;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                drop index if exists ix_emails_subject;
                drop index ix_emails_tags;
                drop function email_status(uuid);
                """);
        }
    }
}
