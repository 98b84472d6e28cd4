using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Mail that is due, made in the database itself.</summary>
static class WaitingMails
{
    /// <summary>One statement a table: a million mails take about a minute.</summary>
    /// <param name="project">Is made when there is none of this name.</param>
    /// <param name="document">What each of them says.</param>
    public static async Task AddAsync(NpgsqlDataSource database, string project, int count, byte[] document, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            insert into projects (name) values (@project) on conflict do nothing;
            insert into streams (project_id, name, priority, life, in_doubt) select id, 'transactional', 100, interval '48 hours', 'retry' from projects where name = @project on conflict do nothing;
            create temp table waiting on commit drop as
                select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || left(md5(random()::text), 3) || '8' || left(md5(random()::text), 15))::uuid as id, i, p.id as project
                from generate_series(1, @count) i, projects p where p.name = @project;
            insert into emails (id, project_id, key_id, stream, from_address, subject, internet_message_id, envelope, is_sensitive, created_at, expires_at)
                select id, project, 'key_news', 'transactional', 'news@shop.example', 'News ' || i, id || '@shop.example', 'shared', false, now(), now() + interval '2 days' from waiting;
            insert into contents (email_id, project_id, document, is_protected) select id, project, @document, false from waiting;
            insert into recipients (email_id, n, project_id, address, kind, state, attempts, sequence) select id, 1, project, 'reader-' || i || '@example.com', 'to', 'queued', 0, 1 from waiting;
            insert into events (email_id, n, sequence, project_id, type, at) select id, 1, 1, project, 'email.accepted', now() from waiting;
            insert into queue (email_id, n, project_id, lane, priority, due_at, expires_at, claims, doubts)
                select id, 1, project, 'relay', s.priority, now(), now() + interval '2 days', 0, 0 from waiting, streams s where s.project_id = 1 and s.name = 'transactional'
            """);
        command.Parameters.AddWithValue("project", project);
        command.Parameters.AddWithValue("count", count);
        command.Parameters.AddWithValue("document", document);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>What a mail that is stored says, for more like it.</summary>
    public static async Task<byte[]> DocumentAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select document from contents limit 1");
        return (byte[])(await command.ExecuteScalarAsync(cancel))!;
    }
}
