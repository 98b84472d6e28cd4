using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Delivery;

/// <summary>One app for the tests of a class that only script the relay; streams <c>hold</c> and <c>stop</c> have these rules for mail in doubt.</summary>
public sealed class SharedApp : IAsyncLifetime
{
    public TestApp App { get; private set; } = null!;

    public FakeRelay Relay => App.Relay;

    public HttpClient Http => App.Http;

    public async ValueTask InitializeAsync()
    {
        App = await TestApp.StartAsync();
        await App.ExecuteAsync("""
            insert into streams (project_id, name, priority, life, in_doubt)
            select id, rule, 100, interval '48 hours', rule from projects, unnest(array['hold', 'stop']) rule
            """);
    }

    /// <summary>The relay as new, and no address suppressed by what it said: it answers as usual, no connection is kept, and the breaker is closed.</summary>
    public async Task BeginAsync()
    {
        Relay.AnswerAsUsual();
        await App.ExecuteAsync("delete from suppressions");
        await App.WaitForAsync(await App.SendAsync(), RecipientState.Sent);
        await Relay.StopAsync();
        Relay.Restart();
    }

    public ValueTask DisposeAsync() => App.DisposeAsync();
}
