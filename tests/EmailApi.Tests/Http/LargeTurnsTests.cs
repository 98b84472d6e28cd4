using System.Net;
using System.Net.Sockets;
using System.Text;
using EmailApi.Http;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

public sealed class LargeTurnsTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Trickling_uploads_do_not_lock_out_one_that_comes_at_once()
    {
        var tricklers = new List<Socket>();
        try
        {
            for (var i = 0; i < 7; i++)   // more than may come at once
            {
                var trickler = new Socket(SocketType.Stream, ProtocolType.Tcp);
                tricklers.Add(trickler);
                await trickler.ConnectAsync(IPAddress.Loopback, app.Http.BaseAddress!.Port, Cancel);
                await trickler.SendAsync(Encoding.ASCII.GetBytes($"POST /v1/emails HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestApp.Key}\r\nContent-Type: application/json\r\nContent-Length: 30000000\r\n\r\n{new string(' ', 1_500_000)}"), Cancel);
            }

            using var answer = await app.Http.PostTextAsync("/v1/emails", Json.Mail(("text", $"\"{new string('x', 3_000_000)}\"")));
            var cuts = tricklers.ConvertAll(_ => new byte[12]);
            var first = await Task.WhenAny(tricklers.Select(async (t, i) =>
            {
                await t.ReceiveAsync(cuts[i], Cancel);
                return i;
            })).Unwrap().WaitAsync(TimeSpan.FromSeconds(20), Cancel);   // the last one that has a turn keeps it, as nobody waits for it

            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            Assert.Equal("HTTP/1.1 408", Encoding.ASCII.GetString(cuts[first]));
        }
        finally
        {
            tricklers.ForEach(t => t.Dispose());
        }
    }

    [Fact]
    public async Task A_turn_goes_to_the_project_that_holds_the_fewest()
    {
        var turns = new LargeTurns(20, TimeProvider.System);
        using var one = await turns.TakeAsync(project: 1, bytes: 10, Cancel);
        using var two = await turns.TakeAsync(project: 1, bytes: 10, Cancel);
        var third = turns.TakeAsync(project: 1, bytes: 10, Cancel);
        var other = turns.TakeAsync(project: 2, bytes: 10, Cancel);

        one.Dispose();

        Assert.Equal(2, (await other).Project);
        Assert.False(third.IsCompleted);
        (await other).Dispose();
        (await third).Dispose();
    }

    [Fact]
    public async Task A_turn_that_nobody_waits_for_any_more_is_given_to_the_next()
    {
        var turns = new LargeTurns(10, TimeProvider.System);
        using var gone = new CancellationTokenSource();
        var one = await turns.TakeAsync(project: 1, bytes: 10, Cancel);
        var waiting = turns.TakeAsync(project: 1, bytes: 10, gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);

        one.Dispose();
        one.Dispose();

        using var next = await turns.TakeAsync(project: 1, bytes: 10, Cancel).WaitAsync(TimeSpan.FromSeconds(5), Cancel);
    }
}
