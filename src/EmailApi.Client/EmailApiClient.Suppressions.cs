using System.Net;
using System.Text.Json;

namespace EmailApi.Client;

/// <summary>The addresses that must not be mailed.</summary>
public sealed partial class EmailApiClient
{
    /// <summary>Suppresses an address. Where it is suppressed already, what is said now takes the place of what was said before, its end too.</summary>
    /// <exception cref="EmailApiException"><c>validation</c>; <c>forbidden</c>: the key needs the scope <c>manage</c>.</exception>
    public async Task<Suppression> SuppressAsync(SuppressionRequest suppression, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(suppression);
        var body = JsonSerializer.SerializeToUtf8Bytes(suppression, EmailApiJson.Wire.SuppressionRequest);
        return (await api.SendAsync(new(HttpMethod.Post, "v1/suppressions", body), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.Suppression);
    }

    /// <summary>All suppressions that hold for an address: that of the whole project, and those of streams.</summary>
    /// <returns>Empty when it is not suppressed, or no address.</returns>
    public async Task<IReadOnlyList<Suppression>> GetSuppressionsAsync(string address, CancellationToken cancel = default)
    {
        try
        {
            return (await api.SendAsync(ApiRequest.Get(SuppressionOf(address)), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.SuppressionPage).Data;
        }
        catch (EmailApiException error) when (error.Status is HttpStatusCode.NotFound)
        {
            return [];
        }
    }

    /// <summary>One page of suppressions, newest first.</summary>
    /// <param name="filter">Null: all of the project.</param>
    /// <param name="after">The <see cref="SuppressionPage.NextCursor"/> of the page before, asked with the same filter; null starts at the newest.</param>
    /// <param name="limit">1 to 100.</param>
    /// <exception cref="EmailApiException"><c>bad_request</c>: the filter is wrong; <c>bad_cursor</c>.</exception>
    public async Task<SuppressionPage> ListSuppressionsAsync(SuppressionFilter? filter = null, string? after = null, int limit = PageSize, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, PageSize);
        var path = $"v1/suppressions?limit={limit}{filter?.ToQuery()}";
        if (after is not null) path += $"&after={Uri.EscapeDataString(after)}";
        return (await api.SendAsync(ApiRequest.Get(path), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.SuppressionPage);
    }

    /// <summary>Lifts the suppression of an address.</summary>
    /// <param name="address">However it is spelt.</param>
    /// <param name="stream">That of this stream; null: that of the whole project, and those of streams stay.</param>
    /// <exception cref="EmailApiException"><c>not_found</c>: there is none, or an earlier try of this call whose answer was lost has lifted it.</exception>
    public Task LiftSuppressionAsync(string address, string? stream = null, CancellationToken cancel = default) =>
        api.SendAsync(new(HttpMethod.Delete, SuppressionOf(address) + (stream is null ? "" : $"?stream={Uri.EscapeDataString(stream)}")), cancel);

    static string SuppressionOf(string address)
    {
        ArgumentException.ThrowIfNullOrEmpty(address);
        return $"v1/suppressions/{Uri.EscapeDataString(address)}";
    }
}
