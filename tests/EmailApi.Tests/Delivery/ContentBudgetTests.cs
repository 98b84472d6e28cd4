using EmailApi.Delivery;

namespace EmailApi.Tests.Delivery;

public sealed class ContentBudgetTests
{
    const int MB = 1_000_000;

    readonly ContentBudget budget = new(100 * MB);

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_does_not_fit_waits_in_its_order_and_small_content_never()
    {
        var first = await budget.TakeAsync(60 * MB, Cancel);
        var large = budget.TakeAsync(50 * MB, Cancel);
        var later = budget.TakeAsync(10 * MB, Cancel);   // would fit, but is not first

        Assert.Null(await budget.TakeAsync(2_000, Cancel));
        Assert.False(large.IsCompleted || later.IsCompleted);
        first!.Dispose();

        (await large)!.Dispose();
        (await later)!.Dispose();
    }

    [Fact]
    public async Task One_that_is_larger_than_all_goes_alone()
    {
        var huge = await budget.TakeAsync(900 * MB, Cancel);
        var next = budget.TakeAsync(1 * MB, Cancel);

        Assert.False(next.IsCompleted);
        huge!.Dispose();

        (await next)!.Dispose();
    }

    [Fact]
    public async Task One_that_waits_no_longer_leaves_its_place_to_the_next()
    {
        using var gone = new CancellationTokenSource();
        var first = await budget.TakeAsync(60 * MB, Cancel);
        var waiting = budget.TakeAsync(90 * MB, gone.Token);
        var next = budget.TakeAsync(40 * MB, Cancel);

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        (await next.WaitAsync(TimeSpan.FromSeconds(10), Cancel))!.Dispose();
        first!.Dispose();
        (await budget.TakeAsync(100 * MB, Cancel).WaitAsync(TimeSpan.FromSeconds(10), Cancel))!.Dispose();
    }
}
