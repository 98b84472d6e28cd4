using System.Collections.Frozen;
using Microsoft.AspNetCore.Mvc.ApiExplorer;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace EmailApi.Http;

/// <summary>Refuses what an endpoint does not take in its query: a mistyped filter would be a promise not kept, and the answer more than was asked
/// for. What it takes is what the contract says of it. An endpoint that takes nothing there ignores what comes.</summary>
sealed class QueryParameters(IApiDescriptionGroupCollectionProvider descriptions)
{
    /// <summary>By the endpoint's name.</summary>
    readonly Lazy<FrozenDictionary<string, string[]>> known = new(() => descriptions.ApiDescriptionGroups.Items.SelectMany(group => group.Items)
        .Select(d => (d.ActionDescriptor.EndpointMetadata.OfType<IEndpointNameMetadata>().LastOrDefault()?.EndpointName, Names: d.ParameterDescriptions.Where(p => p.Source == BindingSource.Query).Select(p => p.Name).ToArray()))
        .Where(e => e.EndpointName is not null && e.Names.Length > 0)
        .ToFrozenDictionary(e => e.EndpointName!, e => e.Names, StringComparer.Ordinal));

    /// <exception cref="ProblemException">400, naming the parameter and those that there are.</exception>
    public void Check(HttpContext http)
    {
        if (!http.Request.QueryString.HasValue || http.GetEndpoint()?.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName is not { } name) return;
        if (!known.Value.TryGetValue(name, out var names)) return;
        if (http.Request.Query.Keys.FirstOrDefault(key => !names.Contains(key, StringComparer.OrdinalIgnoreCase)) is { } unknown)
            throw new ProblemException(ProblemKind.BadRequest, $"There is no parameter {JsonPointer.Short(unknown)} here; there are {string.Join(", ", names)}.");
    }
}
