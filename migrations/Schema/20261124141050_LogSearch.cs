using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace EmailApi.Migrations
{
    /// <summary>The single letters of subjects that are not in ASCII only: words of one or two of them are common in Japanese, and the other index
    /// of subjects finds nothing below three. The status becomes a function whose plan is kept in the session; it was planned in every query.</summary>
    public partial class LogSearch : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                create index ix_emails_subject_letters on emails using gin (string_to_array(lower(subject), null)) where octet_length(subject) > length(subject);
                create or replace function email_status(email uuid) returns text language plpgsql stable parallel safe
                    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$   -- however small the queue was when it was planned
                begin
                    return (
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
                    );
                end
                $$;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("""
                create or replace function email_status(email uuid) returns text language sql stable parallel safe as $$
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
                drop index ix_emails_subject_letters;
                """);
        }
    }
}
